using System.Security.Cryptography;
using System.Text;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Training;

namespace LlmFusion.Pretraining;

/// <summary>
/// The molecules and texts that measure models: the validation and test splits of named data sets. An encoder that had seen one,
/// in whichever stereo-isomer, would make every number measured with it worth less.
/// </summary>
public sealed class ReservedMolecules
{
    private readonly HashSet<string> _molecules = new(StringComparer.Ordinal), _texts = new(StringComparer.Ordinal);

    private ReservedMolecules(IReadOnlyList<string> sources) => Sources = sources;

    /// <summary>The data sets.</summary>
    public IReadOnlyList<string> Sources { get; }

    /// <summary>How many different molecules, ignoring stereochemistry and isotopes.</summary>
    public int Molecules => _molecules.Count;

    /// <summary>How many different texts.</summary>
    public int Texts => _texts.Count;

    /// <summary>A hash of all of them in ordinal order: two equal hashes reserve the same.</summary>
    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', _molecules.Order(StringComparer.Ordinal).Concat(_texts.Order(StringComparer.Ordinal))))));

    /// <summary>Reads the validation and test splits.</summary>
    /// <param name="dataSets">Names in <see cref="Catalog"/>.</param>
    /// <param name="observe">Receives progress.</param>
    /// <param name="cancellation">Stops between rows.</param>
    /// <exception cref="DataSetMissingException">One of them is not here: the check cannot be left out silently.</exception>
    public static ReservedMolecules Read(IReadOnlyList<string> dataSets, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        ReservedMolecules reserved = new(dataSets);
        int rows = 0;
        IEnumerable<Sample> measured = dataSets.SelectMany(name => Catalog.Rows(name)).Select(row => row.Sample).OfType<Sample>().Where(s => s.Split != Parts.Train);
        foreach ((string? key, string? text) in MoleculeBatch.Select(measured, s => (Molecule.WithoutStereo(s.Smiles), s.Text), ct: cancellation))
        {
            if (key is not null) reserved._molecules.Add(key);
            if (text is not null) reserved._texts.Add(text.Trim());
            if (++rows % 1000 == 0) observe(new CorpusProgress("reserved molecules", rows));
        }

        return reserved;
    }

    /// <summary>Whether a molecule is one of them.</summary>
    /// <param name="withoutStereo">Its canonical SMILES without stereochemistry.</param>
    public bool Holds(string withoutStereo) => _molecules.Contains(withoutStereo);

    /// <summary>Whether a text is one of them.</summary>
    public bool HoldsText(string text) => _texts.Contains(text.Trim());
}
