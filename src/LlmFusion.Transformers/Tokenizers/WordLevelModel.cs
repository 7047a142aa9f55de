namespace LlmFusion.Transformers.Tokenizers;

/// <summary>One token a word; a word that is not in the vocabulary is the unknown token.</summary>
internal sealed class WordLevelModel : TokenModel
{
    private readonly int unknown;

    private WordLevelModel(Vocabulary vocabulary, int unknown) : base(vocabulary) => this.unknown = unknown;

    public override string Kind => "WordLevel";

    public static new WordLevelModel From(JsonSection section)
    {
        Vocabulary vocabulary = Vocabulary.From(section.Only("type", "vocab", "unk_token").Section("vocab"));
        return new WordLevelModel(vocabulary, UnknownId(vocabulary, section, section.TextOrNull("unk_token") ?? "<unk>"));
    }

    public override void Encode(string word, List<int> into) => into.Add(Vocabulary.TryGetId(word, out int id) ? id : unknown);
}
