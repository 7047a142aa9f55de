using System.Globalization;
using System.Text;
using LlmFusion.Modalities;

namespace LlmFusion.Pretraining;

/// <summary>The README.md of an encoder's folder: what it learned from what, for how long, and how it is used.</summary>
public static class EncoderCard
{
    /// <summary>Markdown.</summary>
    public static string Of(PretrainRecord record)
    {
        PretrainConfig config = record.Config;
        StringBuilder card = new();
        card.AppendLine($"# LLM-Fusion encoder of {config.Modality}, {config.Size}").AppendLine();
        card.AppendLine(config.Reads() == Modality.Smiles ? "A RoBERTa; the embedding of a molecule is the class token's last hidden state. Its pooler is the identity, and no part of it."
            : config.Reads() == Modality.Selfies ? "A BART encoder; the embedding of a molecule is the mean of its last hidden state over all tokens. The decoder is there for transformers alone and was never trained."
            : "A GPT-2; the embedding of a text is the mean of its last hidden state over all tokens.").AppendLine();
        card.AppendLine("| | |").AppendLine("|---|---|");
        card.AppendLine($"| program | LlmFusion {record.Environment.Program}, libtorch {record.Environment.Libtorch}, RDKit {record.Environment.Rdkit} |");
        card.AppendLine($"| objective | {Objective(record)} |");
        card.AppendLine(Line($"| size | {record.Parameters:N0} parameters, {record.Vocabulary:N0} tokens, at most {config.MaximumTokens} a sequence |"));
        card.AppendLine(Line($"| training | {record.Epochs.Count} epochs of {record.Sequences:N0} sequences in {record.Minutes / 60:F2} hours on {record.Environment.Threads} threads of {record.Environment.Processor}, seed {config.Seed} |"));
        card.AppendLine(Line($"| held-out part | {record.HeldOut:N0} sequences: token loss {record.Losses.Tokens:F4}, {record.Losses.Accuracy:P1} of the tokens right{(record.Losses.Descriptors is { } error ? Line($", descriptor error {error:F4} (1: nothing known)") : "")} |"));
        card.AppendLine($"| weights | {(record.RoundedFromSha256 is null ? "" : "float16, rounded after training; ")}sha256 {record.WeightsSha256} |");
        card.AppendLine().AppendLine("## Corpus").AppendLine();
        card.AppendLine("| source | rows | no molecule | without | reserved | duplicates | kept |").AppendLine("|---|---|---|---|---|---|---|");
        foreach (CorpusSource s in record.Corpus)
            card.AppendLine(Line($"| {s.Name} | {s.Rows:N0} | {s.Refused:N0} | {s.Without:N0} | {s.Reserved:N0} | {s.Duplicates:N0} | {s.Kept:N0} |"));
        if (config.Reads() == Modality.Text && config.Data.Contains("chebi20", StringComparer.OrdinalIgnoreCase))
            card.AppendLine().AppendLine("Training molecules of ChEBI-20 without a description have a text made by template from the ChEBI ontology; these are not ChEBI-20's captions.");
        card.AppendLine().AppendLine(record.Exclusion.DataSets.Count == 0
            ? "No molecule was reserved: numbers measured with this encoder may be measured on molecules that it has seen."
            : Line($"No molecule of the corpus stands, stereochemistry ignored, in the validation or test split of {string.Join(" or ", record.Exclusion.DataSets)}, and no text of one: {record.Exclusion.LeftOut:N0} rows were left out for it (`reserved`; {record.Exclusion.Molecules:N0} molecules and {record.Exclusion.Texts:N0} texts, sha256 {record.Exclusion.Sha256})."));
        if (record.Exclusion.DataSets.Count > 0 && config.Files.Any(file => file.EndsWith(".txt", StringComparison.OrdinalIgnoreCase)))
            card.AppendLine().AppendLine("Texts of .txt files come without molecules: of them only those that equal a reserved text were left out.");
        if (record.Descriptors.Count > 0)
            card.AppendLine().AppendLine($"Descriptors learned: {string.Join(", ", record.Descriptors)}. LogP, molar refractivity, what is made of their atom contributions, and QED with its inputs are not among them.");
        card.AppendLine().AppendLine("## Use").AppendLine().AppendLine("```");
        card.AppendLine($"./llmfusion train molecules.csv --targets y --modalities {config.Modality} --encoder {config.Modality}=THIS_FOLDER -o my-model          (or =THIS_FOLDER,train)");
        card.AppendLine($"./llmfusion embed molecules.csv --encoder THIS_FOLDER --modality {config.Modality} -o embeddings.csv");
        card.AppendLine("```").AppendLine();
        card.AppendLine("`AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` of transformers read the folder as it is (float16 weights with `dtype=torch.float32`, else they are computed with in float16). `pretraining.json` holds configuration, corpus and losses.");
        return card.ToString();
    }

    private static string Objective(PretrainRecord record) => record.Config switch
    {
        var c when c.Reads() == Modality.Text => "the next token",
        { Objective: PretrainObjective.Mlm } c => Line($"masked tokens ({c.MaskRate:P0})"),
        var c => Line($"masked tokens ({c.MaskRate:P0}) and {record.Descriptors.Count} RDKit descriptors from the embedding"),
    };

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
