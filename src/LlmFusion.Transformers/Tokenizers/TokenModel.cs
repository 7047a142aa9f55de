namespace LlmFusion.Transformers.Tokenizers;

/// <summary>What makes tokens of a word: the section <c>model</c> of a tokenizer.json.</summary>
internal abstract class TokenModel
{
    protected TokenModel(Vocabulary vocabulary) => Vocabulary = vocabulary;

    /// <summary>Its tokens.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Its name in a tokenizer.json.</summary>
    public abstract string Kind { get; }

    /// <summary>Appends the ids of a word that is not empty. Safe to call from several threads.</summary>
    public abstract void Encode(string word, List<int> into);

    /// <exception cref="CheckpointException">The kind or an option is not implemented, or the parts do not fit together.</exception>
    public static TokenModel From(JsonSection section) => KindOf(section) switch
    {
        "BPE" => BpeModel.From(section),
        "WordLevel" => WordLevelModel.From(section),
        "WordPiece" => WordPieceModel.From(section),
        string other => throw section.Wrong($"the model '{other}' is not implemented, known are BPE, WordLevel, WordPiece"),
    };

    // Old files do not name it.
    private static string KindOf(JsonSection section) => section.TextOrNull("type")
        ?? (section.Has("merges") ? "BPE" : section.Has("max_input_chars_per_word") ? "WordPiece" : "WordLevel");

    /// <summary>The id that stands for what is not in the vocabulary.</summary>
    protected static int UnknownId(Vocabulary vocabulary, JsonSection section, string token) =>
        vocabulary.IdOf(token) ?? throw section.Wrong($"unk_token '{token}' is not in the vocabulary");
}
