using System.CommandLine;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;

namespace LlmFusion.Cli.Commands;

/// <summary><c>featurize</c>: representations and descriptors of every molecule of a table.</summary>
internal static class FeaturizeCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "Table of molecules (CSV, TSV, .gz, Parquet, .smi, SDF); read as a stream, of any length" };
        Option<string> output = new("--output", "-o") { Description = "Table to write (CSV, TSV, .gz, Parquet); - is CSV on stdout", Required = true, HelpName = "OUT" };
        Option<int> radius = OptionValues.WholeNumber("--radius", "Radius of the Morgan fingerprint in bonds; 2 is ECFP4", 2, 0);
        Option<int> size = OptionValues.WholeNumber("--size", "Number of bits of the Morgan fingerprint", 2048, 1);
        Option<string?> smilesColumn = new("--smiles-column") { Description = "SMILES column (else the one named smiles)", HelpName = "NAME" };
        Option<string?> idColumn = new("--id-column") { Description = "Column that identifies a row (else id, cid, gdb_id or name, else the row's number)", HelpName = "NAME" };
        Command command = new("featurize", "Compute canonical SMILES, SELFIES, Morgan fingerprint and descriptors of molecules") { file, output, radius, size, smilesColumn, idColumn };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion featurize molecules.csv -o features.csv",
                "./llmfusion featurize library.sdf -o features.parquet --radius 3 --size 4096",
                "./llmfusion featurize table.tsv.gz --smiles-column structure -o - | head",
            ],
            [
                "Writes one row for each row of FILE, in its place, with the columns",
                $"{string.Join(", ", Featurizer.Columns.Select(c => c.Name))}.",
                "morgan lists the set bits, separated by spaces. Where SELFIES cannot write a molecule, selfies is blank.",
                "A row that cannot be used says why in error; the program then ends with code 3.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            string target = parse.GetValue(output)!;
            using DataFile data = DataFile.Open(
                parse.GetValue(file)!, new DataFileOptions { SmilesColumn = parse.GetValue(smilesColumn), IdColumn = parse.GetValue(idColumn) });
            TableWriter.RequireOther(target, data.Path);
            using ProgressLine progress = screen.Progress("molecules");
            FeaturizerResult result = Featurizer.Run(
                data.Rows(), target, new FeaturizerOptions { Radius = parse.GetValue(radius), Size = parse.GetValue(size) }, done => progress.Report(done), stop);
            progress.Dispose();
            screen.Note($"{result.Rows} rows, {result.Refused} refused"
                + (result.WithoutSelfies > 0 ? $", {result.WithoutSelfies} without SELFIES" : "")
                + (target == "-" ? "" : $": {target}"));
            return result.Refused > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
        });
        return command;
    }
}
