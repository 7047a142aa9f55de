using System.Globalization;
using LlmFusion.Chemistry;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.DataSets;

/// <summary>Rows of a data set are being computed.</summary>
/// <param name="Part">train, valid or test.</param>
/// <param name="Rows">Rows done.</param>
public sealed record DataRowsDone(string Part, long Rows);

/// <summary>Where a data set is published.</summary>
/// <param name="Repository">OWNER/NAME.</param>
/// <param name="Commit">The commit.</param>
/// <param name="Files">Its files, by the part that they become.</param>
public sealed record PublishedData(string Repository, string Commit, IReadOnlyDictionary<string, PinnedFile> Files);

/// <summary>
/// Brings a named data set into the data folder: its published files at a pinned commit, checked by their git blob ids, made into the tables that
/// <see cref="Catalog"/> opens.
/// </summary>
public static class DataDownload
{
    private const string Unfinished = ".download";

    private static readonly string[] QmColumns = ["smiles", "homo", "lumo", "gap", "mu", "alpha", "r2", "zpve", "cv", "gdb_id"], ChebiColumns = ["CID", "SMILES", "description", "logp_rdkit", "qed_rdkit"];

    private static readonly Dictionary<string, PublishedData> Sources = new()
    {
        ["qm9"] = new("IBM/materials", "dc01519f434c0c10227a1d1955cd8a025b136151", Files("models/smi_ted/finetune/moleculenet/qm9/", [(Parts.Train, "train.csv", "013dfa9186f9ed6316c4ba130a570bd30c0e5f01"),
            (Parts.Valid, "valid.csv", "b3835f57f252f4ed485d540eedc1bb298e02802b"), (Parts.Test, "test.csv", "2f28cb44cd36c5c14d9d661d66d3f85683b30aa4")])),
        ["chebi20"] = new("blender-nlp/MolT5", "754f9bffa4a638e2f1386d0ca19b5c3ed0a5b4aa", Files("ChEBI-20_data/", [(Parts.Train, "train.txt", "c1b42b82fdc8fb5287614e159196e25370763aac"),
            (Parts.Valid, "validation.txt", "694d328d621966d5c9ad0f36083fdfcf293191d5"), (Parts.Test, "test.txt", "cf6da70d55c2745c6e64cf6864ea8cdbcdc80663")])),
    };

    /// <summary>Downloads and converts what is not here; nothing where all is.</summary>
    /// <param name="name">The data set.</param>
    /// <param name="progress">Receives what the download does.</param>
    /// <param name="converting">Receives what is computed of the rows.</param>
    /// <param name="stop">Stops it; what has come stays for the next time.</param>
    /// <param name="folder">The folder that holds the data sets, null for <see cref="Catalog.Folder"/>.</param>
    /// <param name="options">Endpoint, time-outs and tries; null: those of GitHub.</param>
    /// <param name="sources">Where qm9 and chebi20 are published; null: where they are.</param>
    /// <returns>The data set as it is then.</returns>
    /// <exception cref="ArgumentException">It is built in.</exception>
    /// <exception cref="HubException">The bytes do not come, or are not those that were pinned.</exception>
    /// <exception cref="InvalidDataException">A file has other columns or rows than expected, or another process downloads into the folder.</exception>
    public static DataSetState Run(string name, Action<HubProgress> progress, Action<DataRowsDone> converting, CancellationToken stop, string? folder = null, HubOptions? options = null,
        IReadOnlyDictionary<string, PublishedData>? sources = null)
    {
        CatalogEntry entry = Catalog.Find(name);
        if (entry.IsBuiltIn) throw new ArgumentException($"data set: got {entry.Name}, which is built in; there is nothing to download");
        folder = Path.GetFullPath(folder ?? Catalog.Folder);
        if (Catalog.Inspect(entry, folder) is { Available: true } here) return here;
        PublishedData source = (sources ?? Sources)[entry.FolderName];
        string target = Path.Combine(folder, entry.FolderName), unfinished = Path.Combine(target, Unfinished);
        Directory.CreateDirectory(unfinished);
        string[] parts = [.. source.Files.Keys];
        using FileStream held = FolderLock.Take(target, ".download.lock");
        IReadOnlyList<string> paths = PinnedFiles.Get(source.Repository, source.Commit, [.. source.Files.Values], unfinished, progress, stop, options);
        foreach ((string part, string path) in parts.Zip(paths))
        {
            string published = $"{source.Repository}/{source.Files[part].Path}";
            void Tell(long rows)
            {
                if (rows % 1000 == 0) converting(new DataRowsDone(part, rows));
            }

            if (entry.FolderName == "qm9") Qm9(path, published, Path.Combine(target, part + ".csv.gz"), Tell, stop);
            else Chebi20(path, published, Path.Combine(target, part + ".tsv.gz"), Tell, stop);
        }

        Directory.Delete(unfinished, recursive: true);
        return Catalog.Inspect(entry, folder);
    }

    /// <summary>MoleculeNet's columns to ours; <c>gdb_17</c> is the identifier 17.</summary>
    private static void Qm9(string from, string name, string to, Action<long> progress, CancellationToken stop)
    {
        using StreamReader reader = TextFile.Open(from);
        string[] header = Fields(reader.ReadLine() ?? "", ',');
        int[] places = [.. QmColumns.Select(column => Place(header, column == "gdb_id" ? "mol_id" : column, name))];
        using TableWriter writer = TableWriter.Open(to, QmColumns);
        while (reader.ReadLine() is { } line)
        {
            stop.ThrowIfCancellationRequested();
            string[] fields = Fields(line, ',');
            if (fields.Length != header.Length) throw new InvalidDataException($"{name}, row {writer.Rows + 1}: {fields.Length} fields, expected {header.Length}");
            writer.Write([.. places.Select((place, c) => (object?)(QmColumns[c] == "gdb_id" ? fields[place].Replace("gdb_", "", StringComparison.Ordinal) : fields[place]))]);
            progress(writer.Rows);
        }

        writer.Commit();
    }

    /// <summary>Doubled backslashes in a SMILES are single ones; LogP and QED are computed by RDKit.</summary>
    private static void Chebi20(string from, string name, string to, Action<long> progress, CancellationToken stop)
    {
        using StreamReader reader = TextFile.Open(from);
        string[] header = Fields(reader.ReadLine() ?? "", '\t');
        int[] places = [.. ChebiColumns[..3].Select(column => Place(header, column, name))];
        using TableWriter writer = TableWriter.Open(to, ChebiColumns);
        foreach (object?[] fieldsOfRow in MoleculeBatch.Select(Lines(reader).Index(), numbered =>
        {
            (int row, string line) = numbered;
            string[] fields = Fields(line, '\t');
            if (fields.Length != header.Length) throw new InvalidDataException($"{name}, row {row + 1}: {fields.Length} fields, expected {header.Length}");
            string smiles = fields[places[1]].Replace(@"\\", @"\", StringComparison.Ordinal);
            // A molecule that RDKit does not know keeps its place, without values.
            if (!Molecule.TryParse(smiles, out Molecule? molecule, out _)) return new object?[] { fields[places[0]], smiles, fields[places[2]], null, null };
            using (molecule) return [fields[places[0]], smiles, fields[places[2]], Six(molecule.LogP), Six(molecule.Qed)];
        }, ct: stop))
        {
            writer.Write(fieldsOfRow);
            progress(writer.Rows);
        }

        writer.Commit();

        static string Six(double value) => value.ToString("F6", CultureInfo.InvariantCulture);

        static IEnumerable<string> Lines(StreamReader reader)
        {
            while (reader.ReadLine() is { } line)
                if (line.Length > 0) yield return line;
        }
    }

    /// <summary>These files quote nothing: a tab or comma always divides.</summary>
    private static string[] Fields(string line, char delimiter) => line.TrimEnd('\r').Split(delimiter);

    private static int Place(string[] header, string column, string file) => Array.IndexOf(header, column) is >= 0 and var place ? place
        : throw new InvalidDataException($"{file}: has no column {column}, expected it among {string.Join(", ", header)}");

    private static Dictionary<string, PinnedFile> Files(string folder, (string Part, string Name, string BlobId)[] files) => files.ToDictionary(f => f.Part, f => new PinnedFile(folder + f.Name, f.BlobId));
}
