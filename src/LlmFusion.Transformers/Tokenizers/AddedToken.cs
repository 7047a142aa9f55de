namespace LlmFusion.Transformers.Tokenizers;

/// <summary>A token that is found in a text before anything else is done with it.</summary>
/// <param name="Content">The text it stands for.</param>
/// <param name="Special">It marks something, and is no part of a text.</param>
/// <param name="Normalized">It is looked for in the normalized text, and is normalized itself.</param>
/// <param name="SingleWord">Only where no word character stands beside it.</param>
/// <param name="LeftStrip">It takes the white space before it along.</param>
/// <param name="RightStrip">It takes the white space after it along.</param>
internal sealed record AddedToken(string Content, bool Special, bool Normalized, bool SingleWord = false, bool LeftStrip = false, bool RightStrip = false)
{
    /// <summary>From its object in tokenizer.json, tokenizer_config.json or special_tokens_map.json.</summary>
    public static AddedToken From(JsonSection section, bool special = false)
    {
        section.Only("id", "__type", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        special = section.Flag("special", special);
        return new AddedToken(section.Text("content"), special, section.Flag("normalized", !special), section.Flag("single_word", false),
            section.Flag("lstrip", false), section.Flag("rstrip", false));
    }
}
