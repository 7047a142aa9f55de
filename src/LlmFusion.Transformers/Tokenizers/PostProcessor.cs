using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>The special tokens around a text: the section <c>post_processor</c> of a tokenizer.json, for one text at a time.</summary>
/// <param name="Before">Ids before the text's.</param>
/// <param name="After">Ids after the text's.</param>
internal sealed record PostProcessor(int[] Before, int[] After)
{
    /// <summary>No special tokens.</summary>
    public static PostProcessor None { get; } = new([], []);

    /// <summary>How many tokens it adds.</summary>
    public int Count => Before.Length + After.Length;

    /// <exception cref="CheckpointException">A kind or an option is not implemented.</exception>
    public static PostProcessor From(JsonSection section)
    {
        string type = section.Text("type");
        switch (type)
        {
            case "ByteLevel":
                // Where in the text a token stands is all that it changes.
                section.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
                return None;
            case "Sequence":
                return section.Only("type", "processors").Sections("processors").Select(From)
                    .Aggregate(None, (inner, outer) => new([.. outer.Before, .. inner.Before], [.. inner.After, .. outer.After]));
            case "RobertaProcessing":
                section.Only("type", "sep", "cls", "trim_offsets", "add_prefix_space");
                return new([Token(section, "cls")], [Token(section, "sep")]);
            case "BertProcessing":
                section.Only("type", "sep", "cls");
                return new([Token(section, "cls")], [Token(section, "sep")]);
            case "TemplateProcessing":
                return Template(section.Only("type", "single", "pair", "special_tokens"));
            default:
                throw section.Wrong($"the post-processor '{type}' is not implemented, known are ByteLevel, Sequence, RobertaProcessing, "
                    + "BertProcessing, TemplateProcessing");
        }
    }

    /// <summary>["token", id]</summary>
    private static int Token(JsonSection section, string key)
    {
        JsonElement[] pair = [.. section.Items(key)];
        return pair.Length == 2 ? section.Id(key, pair[1]) : throw section.Wrong($"'{key}' is not [\"token\", id]");
    }

    private static PostProcessor Template(JsonSection section)
    {
        List<int> before = [], after = [];
        bool seen = false;
        foreach (JsonSection piece in section.Sections("single"))
        {
            piece.Only("SpecialToken", "Sequence");
            if (piece.SectionOrNull("SpecialToken") is { } special)
            {
                string token = special.Only("id", "type_id").Text("id");
                JsonSection known = section.Section("special_tokens").Section(token).Only("id", "ids", "tokens");
                (seen ? after : before).AddRange(known.Items("ids").Select(id => known.Id("ids", id)));
            }
            else if (!seen && piece.Section("Sequence").Only("id", "type_id").Text("id") == "A")
            {
                seen = true;
            }
            else
            {
                throw piece.Wrong("a template for one text has the sequence A once");
            }
        }
        return seen ? new([.. before], [.. after]) : throw section.Wrong("'single' lacks the sequence A");
    }
}
