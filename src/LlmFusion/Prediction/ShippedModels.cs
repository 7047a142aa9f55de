namespace LlmFusion.Prediction;

/// <summary>The models that come with the program: each a folder in <c>models/</c>, of the repository or of a packed program.</summary>
public static class ShippedModels
{
    /// <summary>The model that predicts where none is named.</summary>
    public const string Default = "llmfusion-mini";

    private const string FolderName = "models", EncoderFile = "pretraining.json";

    /// <summary>How many folders above the program's own the repository's root may be: src/LlmFusion.Cli/bin/Release/net10.0.</summary>
    private const int Levels = 5;

    /// <summary>The folder of shipped models; null where the program came without.</summary>
    public static string? Folder { get; } = FolderFrom(AppContext.BaseDirectory);

    /// <summary>Names of the models that are there.</summary>
    public static IReadOnlyList<string> Names => NamesIn(Folder);

    /// <summary>Names of the pretrained encoders that are there, for <c>--encoder</c>.</summary>
    public static IReadOnlyList<string> Encoders => Folder is null ? [] : [.. Directory.GetDirectories(Folder).Where(IsEncoder).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)];

    /// <summary>The folder of a pretrained encoder that comes with the program; what is no such one's name, as it is. A folder of one's own wins over a name.</summary>
    public static string ResolveEncoder(string nameOrFolder) =>
        Folder is not null && !Directory.Exists(nameOrFolder) && !nameOrFolder.Contains(Path.DirectorySeparatorChar) && Path.Combine(Folder, nameOrFolder) is var folder && IsEncoder(folder) ? folder : nameOrFolder;

    /// <summary>The folder of a model.</summary>
    /// <param name="nameOrFolder">A folder, or the name of a shipped model; null for <see cref="Default"/>.</param>
    /// <returns>The folder. One that was given as such is returned unchecked: loading it says what is wrong.</returns>
    /// <exception cref="ModelFolderException">No shipped model has that name, and no folder either.</exception>
    public static string Resolve(string? nameOrFolder) => Resolve(nameOrFolder, Folder);

    /// <summary>As <see cref="Resolve(string?)"/>, with shipped models elsewhere.</summary>
    /// <param name="nameOrFolder">As there.</param>
    /// <param name="shipped">The folder of shipped models; null: there is none.</param>
    /// <exception cref="ModelFolderException">As there.</exception>
    public static string Resolve(string? nameOrFolder, string? shipped)
    {
        string name = nameOrFolder ?? Default;
        // A folder of one's own wins over a name, but never over the default that was not named.
        if (nameOrFolder is not null && (Directory.Exists(nameOrFolder) || nameOrFolder.Contains(Path.DirectorySeparatorChar))) return nameOrFolder;
        if (shipped is not null && Path.Combine(shipped, name) is var folder && IsModel(folder)) return folder;
        string[] known = NamesIn(shipped);
        throw new ModelFolderException(name, (nameOrFolder is null ? "the model that predicts by default is not here" : "no such folder, and no shipped model of that name")
            + (known.Length > 0 ? $"; shipped are {string.Join(", ", known)}" : "; no model came with this program")
            + ". Train one (./llmfusion train --help) and name its folder: --model DIR");
    }

    /// <summary>Looks for the folder of shipped models from a program's own folder upward; null where there is none.</summary>
    /// <param name="program">The program's folder, absolute.</param>
    public static string? FolderFrom(string program)
    {
        DirectoryInfo? at = new(program);
        for (int level = 0; level <= Levels && at is not null; level++, at = at.Parent)
            if (Path.Combine(at.FullName, FolderName) is var models && Directory.Exists(models) && Directory.GetDirectories(models).Any(IsModel)) return models;
        return null;
    }

    private static string[] NamesIn(string? models) => models is null ? []
        : [.. Directory.GetDirectories(models).Where(IsModel).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)];

    private static bool IsEncoder(string folder) => File.Exists(Path.Combine(folder, EncoderFile));

    private static bool IsModel(string folder) => File.Exists(Path.Combine(folder, TrainedModel.ManifestFile));
}
