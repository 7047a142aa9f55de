using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Cli.Commands;

/// <summary><c>embed</c>: the embedding of every molecule of a table by a pretrained encoder.</summary>
internal static class EmbedCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "Table of molecules (CSV, TSV, .gz, Parquet, .smi, SDF); read as a stream, of any length" };
        Option<string> encoder = new("--encoder", "-e") { Description = "Preset (see models list), repository id or folder; also MODEL@REVISION,pooling=class|mean,max-tokens=N", Required = true, HelpName = "MODEL" };
        Option<string> output = new("--output", "-o") { Description = "Table to write (CSV, TSV, .gz, Parquet); - is CSV on stdout", Required = true, HelpName = "OUT" };
        Option<string?> modality = new("--modality") { Description = "What the encoder reads: smiles, selfies or text (else RoBERTa smiles, BART selfies, others text)" };
        modality.AcceptOnlyFromAmong("smiles", "selfies", "text");
        Option<string> form = new("--smiles-form") { Description = "Spelling that is read: canonical or as-given", DefaultValueFactory = _ => "canonical" };
        form.AcceptOnlyFromAmong("canonical", "as-given");
        Option<string?> smilesColumn = new("--smiles-column") { Description = "SMILES column (else the one named smiles)", HelpName = "NAME" };
        Option<string?> idColumn = new("--id-column") { Description = "Column that identifies a row (else id, cid, gdb_id or name, else the row's number)", HelpName = "NAME" };
        Option<string?> textColumn = new("--text-column") { Description = "Column with descriptions (else text, description or caption)", HelpName = "NAME" };
        Option<string> device = new("--device") { Description = "auto, cpu or cuda", DefaultValueFactory = _ => "auto" };
        Option<bool> noStore = new("--no-store") { Description = "Neither use nor keep stored embeddings" };
        Command command = new("embed", "Embed molecules with a pretrained encoder") { file, encoder, output, modality, form, smilesColumn, idColumn, textColumn, device, noStore };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion embed molecules.csv --encoder chemberta -o embeddings.parquet",
                "./llmfusion embed molecules.csv --encoder my-encoder,pooling=mean --modality smiles -o embeddings.csv",
                "./llmfusion train molecules.csv --targets y --modality emb=vectors:embeddings.parquet -o model",
            ],
            [
                "Writes id, smiles, e0, e1, .. and error, one row for each row of FILE, in its place. A row that cannot be",
                "embedded says why in error; the program then ends with code 3. Embeddings are kept in a store, so that the",
                "same molecule is never computed twice, also not by train and predict; see models store.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            string target = parse.GetValue(output)!;
            EncoderChoice choice = EncoderChoice.Parse(parse.GetValue(encoder)!);
            if (choice.Train) throw new UsageException("--encoder: got ,train, which only the command train knows; expected an encoder as it is");
            using DataFile data = DataFile.Open(parse.GetValue(file)!, new DataFileOptions
            {
                SmilesColumn = parse.GetValue(smilesColumn),
                IdColumn = parse.GetValue(idColumn),
                TextColumn = parse.GetValue(textColumn),
            });
            TableWriter.RequireOther(target, data.Path);
            ModelFolder folder;
            using (DownloadView view = new(screen)) folder = new ModelHub().Get(ShippedModels.ResolveEncoder(choice.Model), choice.Revision, view.Show, stop);
            using FrozenEncoder frozen = FrozenEncoder.Open(choice, folder);
            Modality read = parse.GetValue(modality) is { } name ? Modality.Parse(name) : TableEmbedder.DefaultModality(frozen);
            using EmbeddingStore? store = parse.GetValue(noStore) ? null : EmbeddingStore.Open();
            using ProgressLine progress = screen.Progress("molecules");
            TableEmbedderResult result = TableEmbedder.Run(data.Rows(), frozen, read, parse.GetValue(form) == "canonical" ? SmilesForm.Canonical : SmilesForm.AsGiven,
                target, store, parse.GetValue(device)!, done => progress.Report(done), stop);
            progress.Dispose();
            screen.Note(string.Create(CultureInfo.InvariantCulture, $"{result.Rows:N0} rows, {result.Refused:N0} refused; {read} by {frozen.Name}, {frozen.Width} wide, {(frozen.Pooling == Transformers.PoolingKind.ClassToken ? "class token" : "mean")}: {result.Computed:N0} sequences computed, {result.Found:N0} from the store{(target == "-" ? "" : $": {target}")}"));
            if (result.Truncated.Molecules > 0)
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"{result.Truncated.Molecules:N0} sequences are longer than the {frozen.MaximumTokens} tokens that the encoder reads: {result.Truncated.Tokens:N0} tokens were cut off"));
            return result.Refused > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
        });
        return command;
    }
}
