using System.Globalization;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Tests.Hub;
using Xunit;

namespace LlmFusion.Tests.DataSets;

/// <summary>Data sets from a server on loopback that serves files as GitHub does.</summary>
public sealed class DataDownloadTests : IDisposable
{
    private const string Commit = "0123456789012345678901234567890123456789";

    private static readonly string Molecules = "CID\tSMILES\tdescription\n" + string.Concat(Enumerable.Range(1, 40).Select(n => $"{n}\t{new string('C', n)}/C=C\\\\O\tThe molecule is \"number {n}\", an enol.\n"));

    private readonly TemporaryFolder _folder = new();
    private readonly LoopbackHub _server = new();
    private readonly Dictionary<string, byte[]> _files = [];

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Published_files_become_the_tables_that_the_catalog_opens()
    {
        const string header = "mol_id,smiles,A,B,C,mu,alpha,homo,lumo,gap,r2,zpve,u0,u298,h298,g298,cv,u0_atom\n";
        Serve("qm9", header + "gdb_1,C,1,2,3,0.0,13.21,-0.3877,0.1171,0.5048,35.3641,0.044749,4,5,6,7,6.469,8\n", header + "gdb_2,N,1,2,3,1.6256,9.46,-0.257,0.0829,0.3399,26.1563,0.034358,4,5,6,7,6.316,8\n", header + "gdb_3,O,1,2,3,1.8,6.3,-0.2,0.06,0.36,19.0,0.02,4,5,6,7,6.0,8\n");
        DataSetState state = Run("qm9");
        Assert.True(state.Available);
        DataSplits splits = Catalog.Open("qm9", new CatalogOptions { Folder = _folder["data"] });
        Assert.Equal(("1", "C"), (splits.Train[0].Sample!.Id, splits.Train[0].Sample!.Smiles));
        Assert.Equal([-0.3877f, 0.1171f, 0.5048f], splits.Train[0].Sample!.Targets);
        Assert.False(Directory.Exists(_folder["data/qm9/.download"]));
        // What is here is not asked for again.
        int asked = _server.Requests.Count;
        Assert.True(Run("qm9").Available);
        Assert.Equal(asked, _server.Requests.Count);
    }

    [Fact]
    public void A_download_that_breaks_off_goes_on_and_doubled_backslashes_are_undone()
    {
        Serve("chebi20", Molecules, Molecules, Molecules);
        int cuts = 0;
        _server.Interfere = request => cuts++ < 2 ? Answer(request) is { Body: { } body } answer ? answer with { CutAfter = Math.Min(700, body.Length) } : null : Answer(request);
        Assert.True(Run("chebi20").Available);
        Assert.Contains(_server.Requests, r => r.From > 0);
        DataSplits splits = Catalog.Open("chebi20", new CatalogOptions { Folder = _folder["data"] });
        Sample third = splits.Test[2].Sample!;
        Assert.Equal(("3", "CCC/C=C\\O", "The molecule is \"number 3\", an enol."), (third.Id, third.Smiles, third.Text));
        using Chemistry.Molecule molecule = Chemistry.Molecule.Parse(third.Smiles);
        Assert.Equal(molecule.LogP, third.Targets[0], 1e-6);
        Assert.Equal(molecule.Qed, third.Targets[1], 1e-6);
        // The captioned ones are the same files.
        int asked = _server.Requests.Count;
        Assert.True(Run("chebi20-captioned").Available);
        Assert.Equal(asked, _server.Requests.Count);
    }

    [Fact]
    public void Other_bytes_than_those_pinned_are_refused_and_nothing_is_left_that_could_be_opened()
    {
        Serve("chebi20", Molecules, Molecules, Molecules.Replace("enol", "alkenol", StringComparison.Ordinal));
        _files[_files.Keys.First(f => f.Contains("test", StringComparison.Ordinal))] = Encoding.UTF8.GetBytes("something else");
        HubException error = Assert.Throws<HubException>(() => Run("chebi20"));
        Assert.Contains("git blob id", error.Message, StringComparison.Ordinal);
        Assert.Throws<DataSetMissingException>(() => Catalog.Open("chebi20", new CatalogOptions { Folder = _folder["data"] }));
        Assert.Contains("built in", Assert.Throws<ArgumentException>(() => DataDownload.Run("demo", _ => { }, _ => { }, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_server_does_not_have_and_an_address_that_is_none_are_told_plainly()
    {
        Serve("chebi20", Molecules, Molecules, Molecules);
        _files.Clear();
        string message = Assert.Throws<HubException>(() => Run("chebi20")).Message;
        Assert.Contains("answered 404", message, StringComparison.Ordinal);
        Assert.Contains("chebi20/train.csv", message, StringComparison.Ordinal);
        Assert.DoesNotContain("HF_", message, StringComparison.Ordinal);
        Assert.Contains("endpoint: got nowhere", Assert.Throws<HubException>(() =>
            DataDownload.Run("qm9", _ => { }, _ => { }, TestContext.Current.CancellationToken, _folder["data"], new HubOptions { Cache = "", Endpoint = "nowhere" })).Message, StringComparison.Ordinal);
        // A body without end.
        Serve("chebi20", Molecules, Molecules, Molecules);
        Assert.Contains("chebi20/train.csv has more than 20 bytes", Assert.Throws<HubException>(() => PinnedFiles.Get("some/where", Commit, [_source!.Files[Parts.Train]], _folder["pinned"], _ => { }, TestContext.Current.CancellationToken, _server.Options(""), mostBytes: 20)).Message, StringComparison.Ordinal);
        Serve("chebi20", "CID\tSMILES\tdescription\n1\tC\n", Molecules, Molecules);
        Assert.Contains("some/where/chebi20/train.csv, row 1: 2 fields, expected 3", Assert.Throws<InvalidDataException>(() => Run("chebi20")).Message, StringComparison.Ordinal);
    }

    private PublishedData? _source;

    private void Serve(string name, string train, string valid, string test)
    {
        (string Part, string Path, byte[] Bytes)[] files = [.. new[] { (Parts.Train, train), (Parts.Valid, valid), (Parts.Test, test) }.Select(f => (f.Item1, $"{name}/{f.Item1}.csv", Encoding.UTF8.GetBytes(f.Item2)))];
        foreach ((_, string path, byte[] bytes) in files) _files[path] = bytes;
        _source = new PublishedData("some/where", Commit, files.ToDictionary(f => f.Part, f => new PinnedFile(f.Path, LoopbackHub.ETagOf(f.Path, f.Bytes))));
        _server.Interfere = Answer;
    }

    private DataSetState Run(string name) =>
        DataDownload.Run(name, _ => { }, _ => { }, TestContext.Current.CancellationToken, _folder["data"], _server.Options(""), new Dictionary<string, PublishedData> { ["qm9"] = _source!, ["chebi20"] = _source! });

    private LoopbackAnswer Answer(LoopbackRequest request)
    {
        string prefix = $"/some/where/{Commit}/";
        if (!request.Path.StartsWith(prefix, StringComparison.Ordinal) || !_files.TryGetValue(request.Path[prefix.Length..], out byte[]? bytes)) return new LoopbackAnswer(404);
        if (request.From == 0) return new LoopbackAnswer(200, null, bytes);
        return request.From >= bytes.Length ? new LoopbackAnswer(416)
            : new LoopbackAnswer(206, new Dictionary<string, string> { ["Content-Range"] = string.Create(CultureInfo.InvariantCulture, $"bytes {request.From}-{bytes.Length - 1}/{bytes.Length}") }, bytes[request.From..]);
    }
}
