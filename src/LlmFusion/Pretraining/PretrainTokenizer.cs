using LlmFusion.Modalities;
using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Pretraining;

/// <summary>The vocabulary of a corpus, as the files of the encoder's folder. Training reads with these files, as use does.</summary>
public static class PretrainTokenizer
{
    /// <summary>GPT-2's only special token.</summary>
    public const string EndOfText = "<|endoftext|>";

    // As SmilesTokens cuts; the dot in both is any character left, so that nothing is lost.
    private const string SmilesPattern = @"\[[^\]]*\]|Br|Cl|%\([0-9]+\)|%[0-9]{2}|.", SelfiesPattern = @"\[[^\]]*\]|.";

    /// <summary>Learns a vocabulary and writes its files.</summary>
    /// <param name="folder">The encoder's folder.</param>
    /// <param name="config">A checked configuration.</param>
    /// <param name="sequences">The corpus as it is read: SMILES, SELFIES or texts.</param>
    /// <returns>The tokenizer that the files are.</returns>
    public static Tokenizer Write(string folder, PretrainConfig config, IEnumerable<string> sequences)
    {
        IReadOnlyDictionary<string, string> files = config.Reads() == Modality.Text
            ? TokenizerFiles.ByteLevelBpe(BpeTrainer.Train(sequences, config.VocabularySize, config.MinimumCount, [EndOfText]), config.MaximumTokens)
            : TokenizerFiles.WordLevel(
                TokenVocabulary.Build(sequences.Select(s => config.Reads() == Modality.Smiles ? SmilesTokens.Split(s) : s.Split(' ')), config.MinimumCount, config.VocabularySize).Tokens,
                config.Reads() == Modality.Smiles ? SmilesPattern : SelfiesPattern, config.MaximumTokens);
        Directory.CreateDirectory(folder);
        foreach ((string name, string content) in files) AtomicFile.Write(Path.Combine(folder, name), content);
        return Tokenizer.Load(folder);
    }
}
