namespace LlmFusion.DataSets;

/// <summary>What is known about a data set that has a name.</summary>
/// <param name="Name">The name to open it by.</param>
/// <param name="About">What it is, in a sentence.</param>
/// <param name="Licence">The licence of the data.</param>
/// <param name="Targets">All its targets.</param>
/// <param name="DefaultTargets">The targets where none are asked for: the paper's.</param>
/// <param name="Source">Where its files come from; empty for a built-in one.</param>
public sealed record CatalogEntry(
    string Name, string About, string Licence, IReadOnlyList<string> Targets, IReadOnlyList<string> DefaultTargets, string Source)
{
    /// <summary>How many molecules its training, validation and test splits have.</summary>
    public IReadOnlyList<int> Molecules { get; init; } = [];

    /// <summary>How to cite it; empty for a built-in one.</summary>
    public string Citation { get; init; } = "";

    /// <summary>What is to be done with the files of the source, after "Fetch the three files from it" and before where they belong.</summary>
    internal string Preparation { get; init; } = "";

    /// <summary>True if the program makes it itself: it has no files.</summary>
    public bool IsBuiltIn => Source.Length == 0;

    /// <summary>The folder of its files, in the data folder.</summary>
    internal string FolderName { get; init; } = Name;

    /// <summary>The files that it is made of, by the part that they are in their own data set.</summary>
    internal IReadOnlyList<string> Files { get; init; } = Parts.All;

    /// <summary>Whether its split is our own: by molecule, stereochemistry aside, in the shares of <see cref="SplitFractions.Default"/>, always the same.</summary>
    public bool IsRegrouped => Files.Count < Parts.All.Count;

    /// <summary>Whether there are texts made by template for its training molecules.</summary>
    public bool HasTemplatedTexts => Name == "chebi20";
}

/// <summary>A choice among what a named data set offers.</summary>
public sealed record CatalogOptions
{
    /// <summary>The targets, null for the data set's default ones.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <summary>
    /// ChEBI-20 only: gives training molecules without a description a text made by template from the ChEBI ontology.
    /// These are not ChEBI-20's captions. Nothing changes where the training file has descriptions of its own and there are no such texts beside it.
    /// </summary>
    public bool TemplatedTrainText { get; init; }

    /// <summary>The folder that holds the data sets, null for <see cref="Catalog.Folder"/>.</summary>
    public string? Folder { get; init; }
}

/// <summary>The data sets that are known by name, each with its predefined split.</summary>
public static class Catalog
{
    /// <summary>The environment variable that names the data folder.</summary>
    public const string FolderVariable = "LLMFUSION_DATA";

    private const string Chebi = "chebi20";

    private static readonly Dictionary<string, string> ChebiColumns = new() { ["logp"] = "logp_rdkit", ["qed"] = "qed_rdkit" };

    /// <summary>The data sets in the order they are listed.</summary>
    public static IReadOnlyList<CatalogEntry> Entries { get; } =
    [
        new(DemoDataSet.Name, "about 2,000 molecules that the program assembles itself, described in words by rules; LogP and QED computed by RDKit",
            "Apache-2.0", DemoDataSet.AllTargets, DemoDataSet.AllTargets, "")
        {
            Molecules = [1_600, 200, 200],
        },
        new("qm9", "QM9: small organic molecules of up to nine heavy atoms with computed quantum properties", "CC0",
            ["homo", "lumo", "gap", "mu", "alpha", "r2", "zpve", "cv"], ["homo", "lumo", "gap"],
            "github.com/IBM/materials, commit dc01519f434c0c10227a1d1955cd8a025b136151, "
            + "models/smi_ted/finetune/moleculenet/qm9/{train,valid,test}.csv")
        {
            Molecules = [108_446, 12_050, 13_389],
            Citation = "R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld: Quantum chemistry structures and properties of 134 kilo molecules. Scientific Data 1, 140022 (2014)",
            Preparation = "put them, as train.csv, valid.csv and test.csv (or each packed as .csv.gz)",
        },
        new(Chebi, "ChEBI-20: molecules of biological interest with descriptions; LogP and QED computed by RDKit", "CC BY 4.0",
            ["logp", "qed"], ["logp", "qed"], ChebiSource)
        {
            Molecules = [26_407, 3_301, 3_300],
            Citation = ChebiCitation,
            Preparation = ChebiPreparation,
        },
        new("chebi20-captioned", "the molecules of ChEBI-20's validation and test files, which have their real descriptions, in a split of our own (80/10/10, stereoisomers together)", "CC BY 4.0",
            ["logp", "qed"], ["logp", "qed"], ChebiSource)
        {
            Molecules = [5_281, 660, 660],
            Citation = ChebiCitation,
            Preparation = ChebiPreparation,
            FolderName = Chebi,
            Files = [Parts.Valid, Parts.Test],
        },
    ];

    private const string ChebiSource = "github.com/blender-nlp/MolT5, commit 754f9bffa4a638e2f1386d0ca19b5c3ed0a5b4aa, "
        + "ChEBI-20_data/{train,validation,test}.txt";

    private const string ChebiCitation = "C. Edwards, C. Zhai, H. Ji: Text2Mol: Cross-Modal Molecule Retrieval with Natural Language Queries. EMNLP (2021); "
        + "J. Hastings et al.: ChEBI in 2016. Nucleic Acids Research 44, D1214 (2016)";

    private const string ChebiPreparation = "make each doubled backslash in a SMILES a single one, add RDKit's LogP and QED as the columns logp_rdkit and qed_rdkit "
        + "(`./llmfusion featurize` computes both), and put them, as train.tsv, valid.tsv and test.tsv (or each packed as .tsv.gz)";

    /// <summary>The data folder: <c>LLMFUSION_DATA</c>, else <c>llmfusion/data</c> in the user's cache folder.</summary>
    public static string Folder => UserCache.Folder("data", FolderVariable);

    /// <summary>The entry of a name, any case.</summary>
    /// <exception cref="ArgumentException">No data set has this name.</exception>
    public static CatalogEntry Find(string name) =>
        Entries.FirstOrDefault(e => e.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"data set: got \"{name}\", expected {string.Join(", ", Entries.Select(e => e.Name))}", nameof(name));

    /// <summary>Looks whether a data set is on this machine.</summary>
    /// <param name="entry">The data set.</param>
    /// <param name="folder">The folder that holds the data sets, null for <see cref="Folder"/>.</param>
    public static DataSetState Inspect(CatalogEntry entry, string? folder = null)
    {
        string place = Path.Combine(Path.GetFullPath(folder ?? Folder), entry.FolderName);
        IReadOnlyList<DataSetFile> files = entry.IsBuiltIn ? [] : [.. entry.Files.Select(part =>
        {
            string[] candidates = Candidates(entry, place, part);
            var file = new FileInfo(Array.Find(candidates, File.Exists) ?? candidates[0]);
            return new DataSetFile(part, file.FullName, file.Exists ? file.Length : null);
        })];
        bool available = files.All(f => f.Bytes is not null);
        return new DataSetState(
            entry.Name, entry.About, entry.Licence, [.. entry.Targets.Select(t => new NamedUnit(t, KnownTargets.UnitOf(t)))], entry.Source,
            available, entry.IsBuiltIn ? null : place, files, available ? null : HowToGet(entry, place))
        { Citation = entry.Citation, Molecules = entry.Molecules };
    }

    /// <summary>Reads a data set in its predefined split.</summary>
    /// <exception cref="DataSetMissingException">Its files are not here; the message says how to get them.</exception>
    /// <exception cref="ArgumentException">No such data set or target.</exception>
    /// <exception cref="DataFileException">One of its files is damaged.</exception>
    public static DataSplits Open(string name, CatalogOptions? options = null)
    {
        (CatalogEntry entry, options, IReadOnlyList<string> targets) = Check(name, options);
        if (entry.IsRegrouped) return Splitter.Grouped(FileRows(entry, options, targets, null), name: entry.Name);
        string? texts = TemplatedTexts(entry, options);
        return Splitter.Predefined(FileRows(entry, options, targets, texts), targets, texts is null ? entry.Name : $"{entry.Name}, templated training texts");
    }

    /// <summary>All rows of a data set as a stream, train, valid and test one after the other.</summary>
    /// <inheritdoc cref="Open"/>
    public static IEnumerable<DataRow> Rows(string name, CatalogOptions? options = null)
    {
        (CatalogEntry entry, options, IReadOnlyList<string> targets) = Check(name, options);
        return entry.IsRegrouped ? Open(name, options).InOrder().SelectMany(part => part.Rows) : FileRows(entry, options, targets, TemplatedTexts(entry, options));
    }

    private static IEnumerable<DataRow> FileRows(CatalogEntry entry, CatalogOptions options, IReadOnlyList<string> targets, string? texts)
    {
        if (entry.Name == DemoDataSet.Name)
            return DemoDataSet.Rows(targets);
        string folder = Path.Combine(options.Folder ?? Folder, entry.FolderName);
        IReadOnlyList<(string Path, string Part)> files = [.. entry.Files.Select(part => (Locate(entry, folder, part), part))];
        return files.SelectMany(file =>
        {
            IEnumerable<DataRow> rows = Read(entry, file.Path, file.Part, targets);
            return texts is not null && file.Part == Parts.Train ? WithTemplatedText(rows, texts) : rows;
        });
    }

    /// <summary>The file of texts made by template, null where none are asked for or the training file has descriptions of its own, as the published one has.</summary>
    private static string? TemplatedTexts(CatalogEntry entry, CatalogOptions options)
    {
        if (!options.TemplatedTrainText) return null;
        string folder = Path.Combine(options.Folder ?? Folder, entry.FolderName);
        string[] candidates = Candidates(entry, folder, "train_text_templated");
        if (Array.Find(candidates, File.Exists) is { } path) return path;
        string train = Locate(entry, folder, Parts.Train);
        return Read(entry, train, Parts.Train, []).Any(row => row.Sample is { Text: not null }) ? null : throw new DataSetMissingException(entry, candidates,
            $"In their place descriptions of the training file would do, but {train} has none, as the published one has. "
            + $"Move {folder} away and get it with: ./llmfusion data download {entry.Name}; or train without texts.");
    }

    private static (CatalogEntry Entry, CatalogOptions Options, IReadOnlyList<string> Targets) Check(string name, CatalogOptions? options)
    {
        CatalogEntry entry = Find(name);
        options ??= new CatalogOptions();
        IReadOnlyList<string> targets = options.Targets ?? entry.DefaultTargets;
        if (targets.FirstOrDefault(t => !entry.Targets.Contains(t)) is { } unknown)
            throw new ArgumentException($"target of {entry.Name}: got \"{unknown}\", expected {string.Join(", ", entry.Targets)}", nameof(options));
        if (options.TemplatedTrainText && !entry.HasTemplatedTexts)
            throw new ArgumentException($"templated texts: got the data set {entry.Name}, expected chebi20", nameof(options));
        return (entry, options, targets);
    }

    private static IEnumerable<DataRow> Read(CatalogEntry entry, string path, string part, IReadOnlyList<string> targets)
    {
        using DataFile file = DataFile.Open(path, new DataFileOptions
        {
            Targets = targets,
            TargetColumns = entry.FolderName == Chebi ? ChebiColumns : new Dictionary<string, string>(),
            Part = part,
        });
        foreach (DataRow row in file.Rows())
            yield return row;
    }

    private static string Locate(CatalogEntry entry, string folder, string file)
    {
        string[] candidates = Candidates(entry, folder, file);
        return Array.Find(candidates, File.Exists) ?? throw new DataSetMissingException(entry, candidates, HowToGet(entry, folder));
    }

    private static string HowToGet(CatalogEntry entry, string folder) =>
        $"Get it with: ./llmfusion data download {entry.Name}. Without internet here: Fetch its three files from {entry.Source} ({entry.Licence}), {entry.Preparation} into {folder}. "
        + $"Where {entry.FolderName}/ already lies in another folder, set {FolderVariable} to that.";

    private static string[] Candidates(CatalogEntry entry, string folder, string file)
    {
        string path = Path.Combine(folder, file + (entry.FolderName == Chebi ? ".tsv" : ".csv"));
        return [path + ".gz", path];
    }

    private static IEnumerable<DataRow> WithTemplatedText(IEnumerable<DataRow> train, string path)
    {
        using DataFile file = DataFile.Open(path, new DataFileOptions { SmilesColumn = "CID", IdColumn = "CID", TextColumn = "description" });
        Dictionary<string, string> texts = [];
        foreach (DataRow row in file.Rows())
        {
            if (row.Sample is { Text: { } text } sample)
                texts[sample.Id] = text;
        }

        foreach (DataRow row in train)
        {
            yield return row.Sample is { Text: null } sample && texts.TryGetValue(sample.Id, out string? text)
                ? row with { Sample = sample with { Text = text } }
                : row;
        }
    }
}
