using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// BERT's WordPiece (Devlin et al. 2018): the longest token that begins the word, then the longest that goes on with it,
/// and so forth; a word that cannot be spelt so, or is too long, is the unknown token.
/// </summary>
internal sealed class WordPieceModel : TokenModel
{
    private readonly int unknown;
    private readonly string continuing;
    private readonly int longestWord;

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="unknown">The unknown token's id.</param>
    /// <param name="continuing">What begins a token within a word.</param>
    /// <param name="longestWord">The most characters of a word that is spelt.</param>
    public WordPieceModel(Vocabulary vocabulary, int unknown, string continuing = "##", int longestWord = 100) : base(vocabulary)
    {
        this.unknown = unknown;
        this.continuing = continuing;
        this.longestWord = longestWord;
    }

    public override string Kind => "WordPiece";

    public static new WordPieceModel From(JsonSection section)
    {
        section.Only("type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word");
        Vocabulary vocabulary = Vocabulary.From(section.Section("vocab"));
        return new WordPieceModel(vocabulary, UnknownId(vocabulary, section, section.TextOrNull("unk_token") ?? "[UNK]"),
            section.TextOrNull("continuing_subword_prefix") ?? "##", section.IntOrNull("max_input_chars_per_word") ?? 100);
    }

    public override void Encode(string word, List<int> into)
    {
        int before = into.Count;
        if (IsShort(word) && Spell(word, into))
            return;
        into.RemoveRange(before, into.Count - before);
        into.Add(unknown);
    }

    private bool IsShort(string word) => word.Length <= longestWord || word.EnumerateRunes().Count() <= longestWord;

    private bool Spell(string word, List<int> into)
    {
        char[] candidate = new char[continuing.Length + Math.Min(word.Length, Vocabulary.LongestToken)];
        continuing.CopyTo(candidate);
        for (int start = 0, length; start < word.Length; start += length)
        {
            int prefix = start > 0 ? continuing.Length : 0;
            // No token is longer than the longest.
            length = Math.Min(word.Length - start, Vocabulary.LongestToken - prefix);
            if (length > 0)
                word.CopyTo(start, candidate, prefix, length);
            int id = 0;
            while (length > 0 && !Vocabulary.TryGetId(candidate.AsSpan(0, prefix + length), out id))
                length--;
            if (length <= 0)
                return false;
            into.Add(id);
            if (start == 0)
                continuing.CopyTo(candidate);
        }
        return true;
    }
}
