using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Cli.Commands;

/// <summary><c>data</c>: the named data sets, what is in a file, and how to split it.</summary>
internal static class DataCommand
{
    private const int RefusedShown = 10;

    public static Command Create() => new("data", "Named data sets; describe and split tables of molecules") { List(), Info(), Download(), Describe(), Split() };

    private static Command List()
    {
        Option<bool> json = Json();
        Command command = new("list", "Show the data sets that --data knows by name, and whether they are here") { json };
        command.SetRun((parse, screen, _) =>
        {
            IReadOnlyList<DataSetState> all = [.. Catalog.Entries.Select(e => Catalog.Inspect(e))];
            if (parse.GetValue(json))
            {
                screen.Data(DataSetState.ToJson(all));
                return ExitCode.Done;
            }

            DataTable table = new("name", "here", "licence", "targets", "what it is");
            foreach (DataSetState state in all)
                table.Add(state.Name, state.Folder is null ? "built in" : state.Available ? "yes" : "no", state.Licence, string.Join(", ", state.Targets.Select(t => t.Name)), state.About);
            screen.Table(table);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Info()
    {
        Argument<string> name = new("NAME") { Description = "demo, qm9, chebi20 or chebi20-captioned" };
        name.Validators.Add(result => OptionValues.CheckDataSet("data set", result, result.GetValueOrDefault<string>()));
        Option<bool> json = Json();
        Command command = new("info", "Show a named data set's size, licence, citation, targets and files, and how to get them") { name, json };
        HelpWithExamples.Set(command, ["./llmfusion data info qm9"]);
        command.SetRun((parse, screen, _) =>
        {
            DataSetState state = Catalog.Inspect(Catalog.Find(parse.GetValue(name)!));
            if (parse.GetValue(json)) screen.Data(state.ToJson());
            else Show(state, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Download()
    {
        Argument<string> name = new("NAME") { Description = "qm9, chebi20 or chebi20-captioned" };
        name.Validators.Add(result => OptionValues.CheckDataSet("data set", result, result.GetValueOrDefault<string>()));
        Option<string?> endpoint = new("--endpoint") { Description = $"Mirror that serves files as {PinnedFiles.DefaultEndpoint} does", HelpName = "URL" };
        Command command = new("download", "Bring a named data set here: its published files, checked, as tables in the data folder") { name, endpoint };
        HelpWithExamples.Set(command, ["./llmfusion data download qm9", "LLMFUSION_DATA=/big/disk ./llmfusion data download chebi20"],
            ["What was broken off goes on where it was. LogP and QED of ChEBI-20 are computed by RDKit here, which takes a minute."]);
        command.SetRun((parse, screen, stop) =>
        {
            using DownloadView view = new(screen);
            ProgressLine? rows = null;
            string? part = null;
            try
            {
                DataSetState state = DataDownload.Run(parse.GetValue(name)!, view.Show, done =>
                {
                    view.Dispose();
                    if (part != done.Part)
                    {
                        rows?.Dispose();
                        rows = screen.Progress("rows");
                        part = done.Part;
                    }

                    rows!.Report(done.Rows, done.Part);
                }, stop, options: parse.GetValue(endpoint) is { } mirror ? new HubOptions { Cache = "", Endpoint = mirror.TrimEnd('/') } : null);
                rows?.Dispose();
                view.Dispose();
                Show(state, screen);
            }
            finally
            {
                rows?.Dispose();
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static Command Describe()
    {
        Argument<string?> file = File("Table of molecules (CSV, TSV, .gz, Parquet, .smi, SDF); read as a stream, of any length");
        Option<string?> data = Data();
        Option<string?> train = new("--train") { Description = "Training file, instead of FILE", HelpName = "FILE" };
        Option<string?> valid = new("--valid") { Description = "Validation file", HelpName = "FILE" };
        Option<string?> test = new("--test") { Description = "Test file", HelpName = "FILE" };
        Option<string?> targets = new("--targets") { Description = "Columns of numbers to describe, separated by commas (else all that hold numbers)", HelpName = "A,B" };
        Option<string?> smilesColumn = SmilesColumn();
        Option<string?> textColumn = new("--text-column") { Description = "Column with descriptions (else text, description or caption)", HelpName = "NAME" };
        Option<string?> splitColumn = new("--split-column") { Description = "Column that says train, valid or test", HelpName = "NAME" };
        Option<bool> json = Json();
        Command command = new("describe", "Show what a table holds: rows, errors, targets, duplicates, molecules in more than one split")
        {
            file, data, train, valid, test, targets, smilesColumn, textColumn, splitColumn, json,
        };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion data describe molecules.csv",
                "./llmfusion data describe molecules.csv --targets logs --split-column split",
                "./llmfusion data describe --train train.csv --valid valid.csv --test test.csv --json",
                "./llmfusion data describe --data qm9",
            ],
            [
                "Molecules are compared by canonical SMILES, and once more ignoring stereochemistry. The variance is what",
                "predicting the mean would cost as a mean squared error.",
                "A bad row or an invalid molecule is shown with its line; the program then ends with code 3.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            (string? Path, string? Part)[] files = [(parse.GetValue(file), null), (parse.GetValue(train), Parts.Train), (parse.GetValue(valid), Parts.Valid), (parse.GetValue(test), Parts.Test)];
            (string Path, string? Part)[] given = [.. files.Where(f => f.Path is not null).Select(f => (f.Path!, f.Part))];
            string? name = parse.GetValue(data);
            if ((name is null) == (given.Length == 0) || (files[0].Path is not null && given.Length > 1))
                throw new UsageException("give one of FILE, --data and --train, --valid, --test");
            if (given.Any(f => f.Part is not null) && parse.GetValue(splitColumn) is not null)
                throw new UsageException("--split-column goes with FILE, not with --train, --valid and --test");

            DataFileOptions options = new()
            {
                SmilesColumn = parse.GetValue(smilesColumn),
                TextColumn = parse.GetValue(textColumn),
                SplitColumn = parse.GetValue(splitColumn),
            };
            IReadOnlyList<string>? asked = OptionValues.List(parse.GetValue(targets));
            IEnumerable<DataRow> rows = name is not null
                ? Catalog.Rows(name, new CatalogOptions { Targets = asked ?? Catalog.Find(name).Targets })
                : DataFile.Read(given, options with { Targets = asked ?? DataFile.NumberColumns(given[0].Path, options) });
            using ProgressLine progress = screen.Progress("molecules");
            DataDescription description = DataDescription.Describe(rows, done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(description.ToJson());
            else Show(description, screen);
            return description.BadRows + description.InvalidMolecules > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
        });
        return command;
    }

    private static Command Split()
    {
        Argument<string?> file = File("Table of molecules (CSV, TSV, .gz, Parquet, .smi, SDF)");
        Option<string?> data = Data();
        Option<string> output = new("--output", "-o") { Description = "Folder for the files train, valid and test; made if it is not there", Required = true, HelpName = "DIR" };
        Option<string> method = new("--method")
        {
            Description = "How rows are divided",
            DefaultValueFactory = _ => "random",
        };
        method.AcceptOnlyFromAmong([.. Splitter.Methods]);
        Option<SplitFractions> fractions = OptionValues.Fractions("--fractions", "Shares of train, valid and test [default: 0.8,0.1,0.1]");
        Option<int> seed = OptionValues.WholeNumber("--seed", "Another seed, another split; the same seed, the same split on every machine", 0, 0);
        Option<string?> format = new("--format") { Description = "Format of the three files (else that of FILE, csv where it cannot be written)" };
        format.AcceptOnlyFromAmong("csv", "tsv", "csv.gz", "tsv.gz", "parquet");
        Option<string?> smilesColumn = SmilesColumn();
        Option<bool> json = Json();
        Command command = new("split", "Divide a table into train, valid and test files with all its columns")
        {
            file, data, output, method, fractions, seed, format, smilesColumn, json,
        };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion data split molecules.csv -o molecules",
                "./llmfusion data split molecules.csv --method scaffold --fractions 0.7,0.1,0.2 --seed 1 -o molecules-scaffold",
                "./llmfusion data split --data demo --method grouped -o demo",
            ],
            [
                "random takes every row by lot; scaffold puts no Bemis-Murcko scaffold into two parts;",
                "grouped puts no molecule into two parts, nor its stereoisomers. Rows keep their order.",
                "A row that cannot be used is left out and reported; the program then ends with code 3.",
                "Only scaffold and grouped look at the molecules.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            string? path = parse.GetValue(file), name = parse.GetValue(data);
            if (path is null == name is null) throw new UsageException("give either a FILE or --data");
            IEnumerable<DataRow> rows = name is not null
                ? Catalog.Rows(name, new CatalogOptions { Targets = [] })
                : DataFile.Read([(path!, null)], new DataFileOptions { SmilesColumn = parse.GetValue(smilesColumn) });
            using ProgressLine progress = screen.Progress("molecules");
            DataSplits splits = Splitter.By(
                parse.GetValue(method)!, rows, parse.GetValue(fractions), (ulong)parse.GetValue(seed), progress: done => progress.Report(done), cancellation: stop);
            IReadOnlyList<string> files = splits.Save(parse.GetValue(output)!, parse.GetValue(format));
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(ToJson(splits, files));
            else Show(splits, files, screen);
            foreach (DataRow refused in splits.Refused.Take(RefusedShown)) screen.Note($"left out: {refused.Error!.Message}");
            if (splits.Refused.Count > RefusedShown) screen.Note($"left out: {splits.Refused.Count - RefusedShown} more rows");
            return splits.Refused.Count > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
        });
        return command;
    }

    private static void Show(DataSetState state, Screen screen)
    {
        DataTable about = new("data set", state.Name);
        about.Add("what it is", state.About);
        about.Add("molecules", string.Create(CultureInfo.InvariantCulture, $"{state.Molecules[0]:N0} training, {state.Molecules[1]:N0} validation, {state.Molecules[2]:N0} test"));
        about.Add("licence", state.Licence);
        if (state.Citation.Length > 0) about.Add("cite", state.Citation);
        about.Add("targets", string.Join(", ", state.Targets.Select(t => t.Unit.Length > 0 ? $"{t.Name} ({t.Unit})" : t.Name)));
        if (state.Source.Length > 0) about.Add("source", state.Source);
        about.Add("here", state.Folder is null ? "always: the program makes it itself" : state.Available ? "yes" : "no");
        foreach (DataSetFile part in state.Files)
            about.Add(part.Part, part.Bytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{part.Path} ({bytes:N0} bytes)") : $"{part.Path} (not there)");
        screen.Table(about);
        if (state.HowToGet is { } how) screen.Data(how);
    }

    private static void Show(DataDescription description, Screen screen)
    {
        DataTable counts = new("rows", Number(description.Rows));
        foreach (PartDescription part in description.Parts) counts.Add($"valid molecules in {part.Part}", Number(part.Rows));
        counts.Add("bad rows", Number(description.BadRows));
        counts.Add("invalid molecules", Number(description.InvalidMolecules));
        counts.Add("molecules with text", Number(description.WithText));
        counts.Add("duplicates", Number(description.Duplicates));
        counts.Add("duplicates ignoring stereochemistry", Number(description.DuplicatesIgnoringStereo));
        screen.Table(counts);

        if (description.Targets.Count > 0)
        {
            DataTable targets = new("target", "n", "missing", "mean", "variance", "minimum", "maximum", "unit");
            foreach (TargetDescription t in description.Targets)
                targets.Add(t.Name, t.Count, t.Missing, Round(t.Mean), Round(t.Variance), Round(t.Minimum), Round(t.Maximum), t.Unit);
            screen.Table(targets);
        }

        if (description.Overlaps.Count > 0)
        {
            DataTable overlaps = new("in both", "compared by", "molecules", "rows in first", "rows in second");
            foreach ((string how, IReadOnlyList<Overlap> all) in new[] { ("canonical SMILES", description.Overlaps), ("ignoring stereochemistry", description.OverlapsIgnoringStereo) })
            {
                foreach (Overlap o in all) overlaps.Add($"{o.First}, {o.Second}", how, o.Molecules, o.RowsInFirst, o.RowsInSecond);
            }

            screen.Table(overlaps);
        }

        foreach (RowError error in description.Errors) screen.Data(error.Message);
        long more = description.BadRows + description.InvalidMolecules - description.Errors.Count;
        if (more > 0) screen.Data($"and {Number(more)} more such rows");
    }

    private static void Show(DataSplits splits, IReadOnlyList<string> files, Screen screen)
    {
        DataTable table = new("part", "rows", "file") { Title = splits.Name };
        foreach (((string part, IReadOnlyList<DataRow> rows), string path) in splits.InOrder().Zip(files)) table.Add(part, rows.Count, path);
        screen.Table(table);
    }

    private static string ToJson(DataSplits splits, IReadOnlyList<string> files) => new JsonObject
    {
        ["name"] = splits.Name,
        ["sha256"] = splits.Sha256,
        ["refused"] = splits.Refused.Count,
        ["parts"] = new JsonArray([.. splits.InOrder().Zip(files, (p, path) => new JsonObject { ["part"] = p.Name, ["rows"] = p.Rows.Count, ["file"] = path })]),
    }.ToJsonString(new() { WriteIndented = true });

    private static Argument<string?> File(string description) => new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = description };

    private static Option<string?> Data()
    {
        Option<string?> data = new("--data") { Description = "Named data set instead of a file: demo, qm9 or chebi20", HelpName = "NAME" };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string?>()));
        return data;
    }

    private static Option<string?> SmilesColumn() => new("--smiles-column") { Description = "SMILES column (else the one named smiles)", HelpName = "NAME" };

    private static Option<bool> Json() => new("--json") { Description = "Print JSON" };

    private static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Round(double value) => double.IsNaN(value) ? "" : value.ToString("G5", CultureInfo.InvariantCulture);
}
