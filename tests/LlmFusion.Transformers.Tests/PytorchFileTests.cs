using System.IO.Compression;
using System.Numerics;
using System.Text;
using TorchSharp;
using Xunit;
using static LlmFusion.Transformers.Tests.PytorchBytes;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class PytorchFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("roberta-tiny-bin")]
    [InlineData("roberta-tiny-bin-legacy")]
    [InlineData("roberta-tiny-bin-pickle")]
    public void Files_of_every_format_hold_the_weights_of_the_safetensors_file_bit_for_bit(string name)
    {
        Dictionary<string, Tensor> expected = Safetensors.Read(Path.Combine(GoldenFolder.Of("roberta-tiny"), "model.safetensors"));
        Dictionary<string, Tensor> actual = PytorchFile.Read(Path.Combine(GoldenFolder.Of(name), "pytorch_model.bin"));
        Assert.Subset(actual.Keys.ToHashSet(), expected.Keys.ToHashSet());
        Assert.All(expected, item => Same(item.Value, actual[item.Key]));
    }

    [Theory, MemberData(nameof(SafetensorsTests.Types), MemberType = typeof(SafetensorsTests))]
    public void Every_element_type_is_read_from_both_formats(ScalarType type)
    {
        Dictionary<string, Tensor> tensors = new()
        {
            ["values"] = arange(24).reshape(2, 3, 4).to_type(type),
            ["scalar"] = ones(0, dtype: type).sum().to_type(type),
            ["empty"] = zeros(new long[] { 0, 5 }, dtype: type),
        };
        Dictionary<string, Tensor> zip = Read(Zip(tensors)), legacy = Read(Legacy(tensors));
        Assert.All(tensors, item => Same(item.Value, zip[item.Key]));
        Assert.All(tensors, item => Same(item.Value, legacy[item.Key]));
    }

    [Fact]
    public void Views_become_tensors_of_their_own()
    {
        byte[] pickle = new PickleWriter().Protocol().Raw("}(")
            .Text("transposed").Tensor(p => p.Storage("0", 6), 0, [3, 2], [1, 3])
            .Text("row").Tensor(p => p.Storage("0", 6), 3, [3], [1])
            .Text("column").Tensor(p => p.Storage("0", 6), 1, [2], [3])
            .Text("repeated").Tensor(p => p.Storage("0", 6), 5, [2, 2], [0, 0])
            .Text("overlapping").Tensor(p => p.Storage("0", 6), 0, [3, 3], [1, 1])
            .Raw("u").Stop();
        Dictionary<string, Tensor> read = Read(Zip(pickle, ("0", Floats(0, 1, 2, 3, 4, 5))));
        Same(tensor(new float[] { 0, 3, 1, 4, 2, 5 }).reshape(3, 2), read["transposed"]);
        Same(tensor(new float[] { 3, 4, 5 }), read["row"]);
        Same(tensor(new float[] { 1, 4 }), read["column"]);
        Same(full(2, 2, 5f), read["repeated"]);
        Same(tensor(new float[] { 0, 1, 2, 1, 2, 3, 2, 3, 4 }).reshape(3, 3), read["overlapping"]);
        Assert.All(read.Values, value => Assert.True(value.is_contiguous()));
        read["row"].zero_();
        Same(tensor(new float[] { 1, 4 }), read["column"]);
    }

    [Fact]
    public void Views_of_storages_in_the_older_format_are_read()
    {
        byte[] pickle = new PickleWriter().Protocol().Raw("}(")
            .Text("a").Tensor(p => p.LegacyStorage("7", 6, view: (2, 3)), 1, [2], [1])
            .Text("b").Tensor(p => p.LegacyStorage("7", 6), 0, [6], [1]).Raw("u").Stop();
        Dictionary<string, Tensor> read = Read(Legacy(pickle, ("7", 6, Floats(0, 1, 2, 3, 4, 5))));
        Same(tensor(new float[] { 3, 4 }), read["a"]);
        Same(arange(6).to_type(ScalarType.Float32), read["b"]);
    }

    [Fact]
    public void Parameters_sizes_and_module_versions_are_understood()
    {
        PickleWriter pickle = new PickleWriter().Protocol(4).Raw(0x95, 9, 0, 0, 0, 0, 0, 0, 0).StackGlobal("collections", "OrderedDict").Raw(0x94).Raw(")R").Raw(0x94).ShortText("a");
        pickle.Global("torch._utils", "_rebuild_parameter").Raw("(").Global("torch._utils", "_rebuild_tensor").Raw("(").Storage("0", 2).Number(0)
            .Global("torch", "Size").Raw("(").Numbers(2).Raw("tR").Numbers(1).Raw("tR").Flag(true).Raw("h").Raw(0).Raw(")RtRs");
        pickle.Raw("}").Text("_metadata").Raw("}").Text("").Raw("}").Text("version").Number(1).Raw("sssb");
        Same(tensor(new float[] { 1, 2 }), Assert.Single(Read(Zip(pickle.Stop(), ("0", Floats(1, 2))))).Value);
    }

    [Fact]
    public void Only_wanted_tensors_are_read() =>
        Assert.Equal(["b"], PytorchFile.Read(Write(Zip(new Dictionary<string, Tensor> { ["a"] = ones(3), ["b"] = ones(2) })), name => name == "b").Keys);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Archives_of_32_and_64_bits_are_read(bool zip64)
    {
        byte[] file = Archive([new ZipEntry("x/data.pkl", OneVector()), new ZipEntry("x/data/0", Floats(1, 2))], zip64);
        Same(tensor(new float[] { 1, 2 }), Read(file)["a"]);
    }

    [Fact]
    public void An_archive_by_another_program_is_read_and_a_compressed_one_is_refused()
    {
        byte[] Packed(CompressionLevel level)
        {
            using MemoryStream stream = new();
            using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
            {
                foreach ((string name, byte[] data) in new[] { ("m/data.pkl", OneVector()), ("m/data/0", Floats(1, 2)) })
                {
                    using Stream entry = archive.CreateEntry(name, level).Open();
                    entry.Write(data);
                }
            }
            return stream.ToArray();
        }

        Same(tensor(new float[] { 1, 2 }), Read(Packed(CompressionLevel.NoCompression))["a"]);
        Assert.Contains("'m/data.pkl' is compressed (method 8)", Refused(Packed(CompressionLevel.Optimal)));
    }

    [Fact]
    public void Reading_leaves_no_tensors_behind()
    {
        string path = Write(Zip(new PickleWriter().Raw("}").Text("a").Tensor(p => p.Storage("0", 4), 0, [2, 2], [1, 2]).Raw("s").Stop(), ("0", Floats(1, 2, 3, 4))));
        long before = LiveTensors.Count();
        using (NewDisposeScope())
            PytorchFile.Read(path);
        Assert.Equal(before, LiveTensors.Count());
    }

    public static readonly TheoryData<string, string> Globals = new()
    {
        { "os", "system" }, { "posix", "system" }, { "nt", "system" }, { "builtins", "eval" }, { "builtins", "exec" }, { "__builtin__", "getattr" },
        { "subprocess", "Popen" }, { "torch.hub", "load" }, { "torch", "load" }, { "torch.storage", "_load_from_bytes" }, { "torch.storage", "UntypedStorage" },
        { "numpy.core.multiarray", "_reconstruct" }, { "_codecs", "encode" }, { "torch._utils", "_rebuild_tensor_v2.__globals__" }, { "torch._utils._rebuild_tensor_v2", "__call__" },
        { "collections", "OrderedDict.__init__" }, { "TORCH", "Size" }, { "torch ", "Size" }, { "", "" },
    };

    [Theory, MemberData(nameof(Globals))]
    public void Any_other_global_is_refused_by_its_name_called_or_not(string module, string name)
    {
        string expected = $"asks for the global {module}.{name}, which no tensor needs";
        byte[] called = new PickleWriter().Protocol().Global(module, name).Raw("(").Text("echo pwned").Raw("tR").Stop();
        Assert.Contains(expected, Refused(Zip(called)));
        // As a plain pickle, and in the object of the older format.
        Assert.Contains(expected, Refused(called));
        Assert.Contains(expected, Refused(Legacy(called)));
        // Found by opcodes of the stack, remembered and called later.
        Assert.Contains(expected, Refused(Zip(new PickleWriter().Protocol(4).StackGlobal(module, name).Raw(0x94).Raw("h").Raw(0).Raw(")R").Stop())));
        // Named, thrown away: in a value, in the state dict's attributes.
        Assert.Contains(expected, Refused(Zip(new PickleWriter().Raw("}").Text("a").Global(module, name).Raw("s").Stop())));
        Assert.Contains(expected, Refused(Zip(new PickleWriter().New("collections", "OrderedDict").Raw("}").Text("_metadata").Global(module, name).Raw("sb").Stop())));
    }

    private static readonly Dictionary<string, (byte[] Pickle, string Expected)> pickles = new()
    {
        ["nothing"] = ([], "ends at byte 0"),
        ["no stop"] = (new PickleWriter().Protocol().Raw("}").Bytes, "ends at byte 3, before it is complete"),
        ["empty stack"] = (new PickleWriter().Stop(), "the stack is too short"),
        ["INST"] = (new PickleWriter().Raw("(").Text("echo").Raw("ios\nsystem\n").Stop(), "the opcode 0x69"),
        ["OBJ"] = (new PickleWriter().Raw("(").Global("torch", "Size").Raw("o").Stop(), "the opcode 0x6f"),
        ["NEWOBJ"] = (new PickleWriter().Global("torch", "Size").Raw(")").Raw(0x81).Stop(), "the opcode 0x81"),
        ["NEWOBJ_EX"] = (new PickleWriter().Global("torch", "Size").Raw(")}").Raw(0x92).Stop(), "the opcode 0x92"),
        ["EXT1"] = (new PickleWriter().Raw(0x82, 1).Stop(), "the opcode 0x82"),
        ["PERSID"] = (new PickleWriter().Raw("Px\n").Stop(), "the opcode 0x50"),
        ["protocol 6"] = (new PickleWriter().Protocol(6).Raw("}").Stop(), "protocol 6, expected at most 5"),
        ["call of a text"] = (new PickleWriter().Text("os.system").Raw(")R").Stop(), "a call of the text 'os.system', which is no function"),
        ["call of a dict"] = (new PickleWriter().Raw("})R").Stop(), "a call of a dict"),
        ["call of a call"] = (new PickleWriter().New("collections", "OrderedDict").Raw(")R").Stop(), "a call of a dict"),
        ["call of a storage type"] = (new PickleWriter().New("torch", "FloatStorage").Stop(), "a call of torch.FloatStorage with other arguments"),
        ["OrderedDict of a list"] = (new PickleWriter().Global("collections", "OrderedDict").Raw("(]tR").Stop(), "a call of collections.OrderedDict with other arguments"),
        ["arguments that are no tuple"] = (new PickleWriter().Global("collections", "OrderedDict").Raw("]R").Stop(), "with other arguments"),
        ["tensor of nothing"] = (new PickleWriter().New("torch._utils", "_rebuild_tensor_v2").Stop(), "a call of torch._utils._rebuild_tensor_v2 with other arguments"),
        ["tensor of a text"] = (new PickleWriter().Tensor(p => p.Text("x"), 0, [1], [1]).Stop(), "with other arguments"),
        ["parameter of a text"] = (new PickleWriter().Global("torch._utils", "_rebuild_parameter").Raw("(").Text("x").Flag(true).Raw("NtR").Stop(), "with other arguments"),
        ["BUILD on a text"] = (new PickleWriter().Text("x").Raw("}b").Stop(), "needs a dict to give attributes to"),
        ["BUILD with a tuple"] = (new PickleWriter().Raw("})b").Stop(), "attributes that are not a dict"),
        ["APPEND to a dict"] = (new PickleWriter().Raw("}Na").Stop(), "needs a list before it"),
        ["SETITEM of a list"] = (new PickleWriter().Raw("]NNs").Stop(), "needs a dict before it"),
        ["SETITEMS, odd"] = (new PickleWriter().Raw("}(Nu").Stop(), "a key without a value"),
        ["a mark that is not there"] = (new PickleWriter().Raw("}t").Stop(), "needs a mark"),
        ["reaching below a mark"] = (new PickleWriter().Raw("}(s").Stop(), "the stack is too short"),
        ["bytes after its end"] = (new PickleWriter().Raw("}.N").Stop(), "its pickle ends at byte 2 of 4"),
        ["values left behind"] = (new PickleWriter().Raw("N}").Stop(), "an end that leaves other values behind"),
        ["STOP below a mark"] = (new PickleWriter().Raw("}(").Stop(), "the stack is too short"),
        ["memo never set"] = (new PickleWriter().Raw("h").Raw(3).Stop(), "memo 3, which was never set"),
        ["memo never set, far"] = (new PickleWriter().Raw("j").Raw(255, 255, 255, 255).Stop(), "memo 4294967295, which was never set"),
        ["memo set far away"] = (new PickleWriter().Raw("}r").Raw(255, 255, 255, 255).Stop(), "memo 4294967295 set"),
        ["memo of nothing"] = (new PickleWriter().Raw("q").Raw(0).Stop(), "nothing on the stack to remember"),
        ["text of 4 GB"] = (new PickleWriter().Raw("X").Raw(255, 255, 255, 255).Stop(), "before it is complete"),
        ["text of 16 EB"] = (new PickleWriter().Raw(0x8d, 255, 255, 255, 255, 255, 255, 255, 255).Stop(), "before it is complete"),
        ["text that is not UTF-8"] = (new PickleWriter().Raw("X").Raw(2, 0, 0, 0, 0xc3, 0x28).Stop(), "not UTF-8"),
        ["LONG4 of 2 GB"] = (new PickleWriter().Raw(0x8b, 255, 255, 255, 127).Stop(), "an integer of 2147483647 bytes"),
        ["LONG4 of -1 bytes"] = (new PickleWriter().Raw(0x8b, 255, 255, 255, 255).Stop(), "an integer of -1 bytes"),
        ["LONG1 of 255 bytes"] = (new PickleWriter().Raw(0x8a, 255).Raw(new byte[255]).Stop(), "an integer of 255 bytes"),
        ["global without an end"] = (new PickleWriter().Raw("ctorch").Bytes, "before it is complete"),
        ["STACK_GLOBAL of numbers"] = (new PickleWriter().Number(1).Number(2).Raw(0x93).Stop(), "a global whose name is no text"),
        ["persistent id of a module"] = (new PickleWriter().Raw("(").Text("module").Text("x").Raw("tQ").Stop(), "a persistent id that is no storage"),
        ["persistent id of a text"] = (new PickleWriter().Text("storage").Raw("Q").Stop(), "a persistent id that is no storage"),
        ["storage of -1 elements"] = (new PickleWriter().Vector("0", -1).Stop(), "a persistent id that is no storage"),
        ["storage of 2^63 bytes"] = (new PickleWriter().Vector("0", long.MaxValue).Stop(), "a storage '0' of 9223372036854775807 elements"),
        ["storage of 2^100 elements"] = (new PickleWriter().Raw("(").Text("storage").Global("torch", "FloatStorage").Text("0").Text("cpu").Number(BigInteger.One << 100).Raw("tQ").Stop(), "a persistent id that is no storage"),
        ["storage with a long key"] = (new PickleWriter().Vector(new string('0', 65), 2).Stop(), "a storage whose key has 65 characters"),
        ["storage of two types"] = (Dict(p => p.Vector("0", 2), p => p.Tensor(q => q.Storage("0", 2, "LongStorage"), 0, [1], [1])), "elsewhere of 2 torch.FloatStorage"),
        ["storage of two sizes"] = (Dict(p => p.Vector("0", 2), p => p.Vector("0", 3)), "of 3 torch.FloatStorage, elsewhere of 2"),
        ["storage that is not there"] = (Dict(p => p.Vector("1", 2)), "needs 'archive/data/1', which is not there"),
        ["storage that leads outside"] = (Dict(p => p.Vector("../../etc/passwd", 2)), "needs 'archive/data/../../etc/passwd', which is not there"),
        ["storage too small"] = (Dict(p => p.Vector("0", 3)), "'archive/data/0' has 8 bytes, expected 12"),
        ["view outside its storage"] = (Dict(p => p.Tensor(q => q.LegacyStorage("0", 2, view: (1, 2)), 0, [1], [1])), "a view outside the storage '0'"),
        ["view that overflows"] = (Dict(p => p.Tensor(q => q.LegacyStorage("0", 2, view: (long.MaxValue, long.MaxValue)), 0, [1], [1])), "a view outside the storage '0'"),
        ["tensor longer than its storage"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [3], [1])), "a tensor reaches outside its storage of 2 elements: shape [3], strides [1], offset 0"),
        ["tensor after its storage"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 2, [1], [1])), "reaches outside its storage"),
        ["empty tensor after its storage"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 3, [0], [1])), "reaches outside its storage"),
        ["strides beyond the storage"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [2, 2], [1, 1])), "reaches outside its storage"),
        ["strides that overflow"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [3, 3], [long.MaxValue, long.MaxValue])), "reaches outside its storage"),
        ["offset that overflows"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), long.MaxValue, [2], [1])), "reaches outside its storage"),
        ["negative offset"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), -1, [2], [1])), "a tensor is impossible: shape [2], strides [1], offset -1"),
        ["negative size"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [-1], [1])), "a tensor is impossible"),
        ["negative stride"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 1, [2], [-1])), "a tensor is impossible"),
        ["fewer strides than sizes"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [1, 1], [1])), "a tensor is impossible"),
        ["10^12 elements from one"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [1_000_000, 1_000_000], [0, 0])), "its tensors would have 4000000000000 bytes"),
        ["2^80 elements from one"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [1L << 40, 1L << 40], [0, 0])), "more bytes than can be counted"),
        ["2^80 elements and none"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [1L << 40, 1L << 40, 0], [0, 0, 1])), "more bytes than can be counted"),
        ["none and 2^80 elements"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [0, 1L << 40, 1L << 40], [1, 0, 0])), "more bytes than can be counted"),
        ["9 dimensions"] = (Dict(p => p.Tensor(q => q.Storage("0", 2), 0, [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1])), "a tensor of 9 dimensions"),
        ["sizes that are flags"] = (new PickleWriter().Global("torch._utils", "_rebuild_tensor").Raw("(").Storage("0", 2).Number(0).Raw("(").Flag(true).Raw("t").Numbers(1).Raw("tR").Stop(), "not integers of 64 bits"),
        ["sizes of 2^100"] = (new PickleWriter().Global("torch._utils", "_rebuild_tensor").Raw("(").Storage("0", 2).Number(0).Raw("(").Number(BigInteger.One << 100).Raw("t").Numbers(1).Raw("tR").Stop(), "not integers of 64 bits"),
        ["tensor metadata"] = (new PickleWriter().Global("torch._utils", "_rebuild_tensor_v2").Raw("(").Storage("0", 2).Number(0).Numbers(2).Numbers(1).Flag(false).Raw("N}").Text("conj").Flag(true).Raw("stR").Stop(), "a tensor with metadata"),
        ["a list"] = (new PickleWriter().Raw("]").Stop(), "it holds a list, expected a dict from names to tensors"),
        ["a tensor"] = (new PickleWriter().Vector("0", 2).Stop(), "it holds a tensor"),
        ["state_dict within"] = (new PickleWriter().Raw("}").Text("state_dict").Raw("}").Text("a").Vector("0", 2).Raw("ss").Stop(), "'state_dict' is a dict, expected a tensor"),
        ["a number"] = (new PickleWriter().Raw("}").Text("epoch").Number(3).Raw("s").Stop(), "'epoch' is the number 3, expected a tensor"),
        ["a None"] = (new PickleWriter().Raw("}").Text("x._extra_state").Raw("Ns").Stop(), "'x._extra_state' is None, expected a tensor"),
        ["a name that is a number"] = (new PickleWriter().Raw("}").Number(1).Vector("0", 2).Raw("s").Stop(), "the number 1 where the name of a tensor is expected"),
        ["one name twice"] = (new PickleWriter().Raw("}(").Text("a").Vector("0", 2).Text("a").Vector("0", 2).Raw("u").Stop(), "'a' stands there twice"),
        ["itself"] = (new PickleWriter().Raw("}q").Raw(0).Text("a").Raw("h").Raw(0).Raw("s").Stop(), "'a' is a dict"),
        ["a name that steers a terminal"] = (new PickleWriter().Raw("}").Text("\u001b[2J\u202e").Raw("Ns").Stop(), "'\\u{1b}[2J\\u{202e}' is None"),
    };

    public static readonly TheoryData<string> PickleNames = [.. pickles.Keys];

    [Theory, MemberData(nameof(PickleNames))]
    public void Hostile_pickles_are_refused(string what)
    {
        (byte[] pickle, string expected) = pickles[what];
        string message = Refused(Zip(pickle, ("0", Floats(1, 2))));
        Assert.Contains(expected, message);
        Assert.Contains(folder["a.bin"], message);
    }

    /// <summary>Few bytes that would be much memory, or much time, for a machine that takes them as they are.</summary>
    private static readonly Dictionary<string, byte[]> bombs = new()
    {
        ["nested lists"] = new PickleWriter().Repeat(200_000, p => p.Raw("]")).Repeat(199_999, p => p.Raw("a")).Stop(),
        ["nested tuples"] = new PickleWriter().Raw(")").Repeat(400_000, p => p.Raw(0x85)).Stop(),
        ["nested dicts"] = new PickleWriter().Repeat(100_000, p => p.Raw("}N")).Raw("N").Repeat(99_999, p => p.Raw("s")).Stop(),
        ["marks"] = new PickleWriter().Repeat(400_000, p => p.Raw("(")).Stop(),
        ["empty dicts"] = new PickleWriter().Repeat(400_000, p => p.Raw("}")).Stop(),
        ["memoized"] = new PickleWriter().Raw("}").Repeat(400_000, p => p.Raw(0x94)).Stop(),
        ["memo far"] = new PickleWriter().Text(new string(' ', 300)).Repeat(80_000, p => p.Raw("}r").Raw(255, 0, 0, 0)).Stop(),
        // Each twice the one before: 2^1000 elements if they were copied or walked.
        ["billion laughs"] = new PickleWriter().Raw("]").Raw(0x94).Repeat(250, Laugh()).Stop(),
        ["one long tuple in many sizes"] = new PickleWriter().Global("torch", "Size").Raw("q").Raw(0).Raw("(").Repeat(100_000, p => p.Raw("N")).Raw("t").Raw(0x85).Raw("q").Raw(1).Repeat(60_000, p => p.Raw("h").Raw(0).Raw("h").Raw(1).Raw("R")).Stop(),
        ["one long tuple as many shapes"] = LongShapes(),
        ["one long key of many storages"] = new PickleWriter().Raw("(").Text("storage").Global("torch", "FloatStorage").Text(new string('k', 100_000)).Text("cpu").Number(2).Raw("tq").Raw(0).Repeat(100_000, p => p.Raw("Qh").Raw(0)).Stop(),
        ["one long name of many tensors"] = new PickleWriter().Text(new string('k', 100_000)).Raw("q").Raw(0).Raw("}").Repeat(50_000, p => p.Raw("h").Raw(0).Raw("Ns")).Stop(),
        ["one storage of many views"] = new PickleWriter().Raw("}q").Raw(9).Storage("0", 2).Raw("q").Raw(0).Repeat(100_000, p => p.Raw("h").Raw(0)).Stop(),
    };

    public static readonly TheoryData<string> BombNames = [.. bombs.Keys];

    [Theory, MemberData(nameof(BombNames))]
    public void Bombs_take_no_more_memory_than_their_size_allows(string what)
    {
        byte[] pickle = bombs[what];
        string path = Write(Zip(pickle, ("0", Floats(1, 2))));
        Record.Exception(() => PytorchFile.Read(path)); // compiled
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? error = Record.Exception(() => PytorchFile.Read(path));
        if (error is not null)
            Assert.IsType<CheckpointException>(error);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < (RestrictedUnpickler.MemoryFactor * (long)pickle.Length) + 500_000, $"{what}: {allocated} bytes for {pickle.Length}");
    }

    [Fact]
    public void Many_views_of_one_storage_cannot_outgrow_the_file()
    {
        const int count = 1_000_000;
        PickleWriter pickle = new PickleWriter().Protocol().Raw("}").Text("0").Tensor(p => p.Storage("0", count), 0, [count], [1]).Raw("q").Raw(0).Raw("s");
        for (int i = 1; i < 9; i++)
            pickle.Text($"{i}").Raw("h").Raw(0).Raw("s");
        Assert.Contains("its tensors would have 36000000 bytes, far more than", Refused(Zip(pickle.Stop(), ("0", new byte[4 * count]))));
    }

    private static readonly Dictionary<string, (ZipEntry[] Entries, string Expected)> archives = new()
    {
        ["a compressed bomb"] = ([Good[0], Good[1] with { Method = 8, ClaimedSize = 1UL << 40, ClaimedStored = 8 }], "'x/data/0' is compressed (method 8)"),
        ["a stored one that grows"] = ([Good[0], Good[1] with { ClaimedSize = 1UL << 40, ClaimedStored = 8 }], "'x/data/0' claims 1099511627776 bytes (8 stored)"),
        ["1 TB"] = ([Good[0], Good[1] with { ClaimedSize = 1UL << 40 }], "'x/data/0' claims 1099511627776 bytes"),
        ["16 EB"] = ([Good[0], Good[1] with { ClaimedSize = ulong.MaxValue }], "'x/data/0' claims 18446744073709551615 bytes"),
        ["a pickle of 1 TB"] = ([Good[0] with { ClaimedSize = 1UL << 40 }, Good[1]], "'x/data.pkl' claims 1099511627776 bytes"),
        ["somewhere else"] = ([Good[0], Good[1] with { ClaimedOffset = 7 }], "'x/data/0' is not at byte 7"),
        ["behind the end"] = ([Good[0], Good[1] with { ClaimedOffset = 1UL << 40 }], "at byte 1099511627776"),
        ["behind any end"] = ([Good[0], Good[1] with { ClaimedOffset = ulong.MaxValue }], "at byte 18446744073709551615"),
        ["another name at its place"] = ([Good[0], Good[1] with { LocalName = "x/data/1" }], "'x/data/0' is not at byte"),
        ["encrypted"] = ([Good[0], Good[1] with { Flags = 1 }], "'x/data/0' is encrypted"),
        ["one name twice"] = ([Good[0], Good[1], Good[1]], "'x/data/0' stands there twice"),
        ["into the directory"] = ([Good[0], Good[1], new ZipEntry("x/z", new byte[4]) { ClaimedSize = 100 }], "'x/z' claims 100 bytes at byte"),
        ["overlapping"] = ([Good[0] with { ClaimedSize = 300 }, Good[1], new ZipEntry("x/z", new byte[400])], "overlap"),
        ["two pickles"] = ([Good[0], Good[1], new ZipEntry("y/data.pkl", Good[0].Data)], "2 files NAME/data.pkl, expected 1"),
        ["no pickle"] = ([Good[1]], "0 files NAME/data.pkl, expected 1"),
        ["a pickle elsewhere"] = ([Good[1], new ZipEntry("x/y/data.pkl", Good[0].Data)], "0 files NAME/data.pkl"),
        ["big endian"] = ([Good[0], Good[1], new ZipEntry("x/byteorder", "big"u8.ToArray())], "byte order is 'big', expected 'little'"),
        ["TorchScript"] = ([Good[0], Good[1], new ZipEntry("x/constants.pkl", [])], "a TorchScript program"),
        [".."] = ([Good[0], Good[1], new ZipEntry("x/../../etc/passwd", [])], "leads outside the archive"),
        ["/"] = ([Good[0], Good[1], new ZipEntry("/etc/passwd", [])], "leads outside the archive"),
        ["backslash"] = ([Good[0], Good[1], new ZipEntry("x\\..\\y", [])], "leads outside the archive"),
        ["NUL"] = ([Good[0], Good[1], new ZipEntry("x/a\0b", [])], "leads outside the archive"),
        ["no name"] = ([Good[0], Good[1], new ZipEntry("", [])], "leads outside the archive"),
    };

    public static readonly TheoryData<string> ArchiveNames = [.. archives.Keys];

    [Theory, MemberData(nameof(ArchiveNames))]
    public void Hostile_archives_are_refused(string what)
    {
        (ZipEntry[] entries, string expected) = archives[what];
        Assert.Contains(expected, Refused(Archive(entries)));
        Assert.Contains(expected, Refused(Archive(entries, zip64: true)));
    }

    [Theory]
    [InlineData(12, 0xFFFFFFFF)] // length of the directory
    [InlineData(12, 0)]
    [InlineData(16, 0xFFFFFFFF)] // its place
    [InlineData(16, 0)]
    [InlineData(8, 0xFFFFFFFF)] // number of entries
    [InlineData(8, 0)]
    [InlineData(0, 0)] // signature
    public void An_end_record_that_lies_is_refused(int place, uint value)
    {
        byte[] file = Archive(Good);
        BitConverter.GetBytes(value).CopyTo(file, file.Length - 22 + place);
        Refused(file);
        file = Archive(Good, zip64: true);
        byte[] wide = [.. BitConverter.GetBytes(value), .. BitConverter.GetBytes(value)];
        foreach (int field in new[] { 32, 40, 48 })
        {
            byte[] bad = [.. file];
            wide.CopyTo(bad, file.Length - 22 - 20 - 56 + field);
            Refused(bad);
        }
        wide.CopyTo(file, file.Length - 22 - 20 + 8);
        Refused(file);
    }

    [Fact]
    public void Hostile_files_of_the_older_format_are_refused()
    {
        byte[] pickle = new PickleWriter().Protocol().Raw("}").Text("a").Tensor(p => p.LegacyStorage("5", 2), 0, [2], [1]).Raw("s").Stop();
        byte[] data = Floats(1, 2);
        Assert.Single(Read(Legacy(pickle, ("5", 2, data))));

        Assert.Contains("the storage '5' has 3 elements, its pickle says 2", Refused(Legacy(pickle, ("5", 3, data))));
        Assert.Contains("the storage '5' has -1 elements", Refused(Legacy(pickle, ("5", -1, data))));
        Assert.Contains("the storage '5' claims 8 bytes", Refused(Legacy(pickle, ("5", 2, data[..7]))));
        Assert.Contains("its storages end at byte", Refused([.. Legacy(pickle, ("5", 2, data)), 0]));
        Assert.Contains("'5' stands there twice", Refused(Legacy(pickle, ("5", 2, data), ("5", 2, data))));
        Assert.Contains("the text '6', which no tensor uses", Refused(Legacy(pickle, ("5", 2, data), ("6", 2, data))));
        Assert.Contains("the storage '5' is not in its list", Refused(Legacy(pickle)));
        Assert.Contains("its list of storages is not there", Refused([.. LegacyStart(), .. pickle, .. new PickleWriter().Raw("N").Stop()]));
        Assert.Contains("None, which no tensor uses", Refused([.. LegacyStart(), .. pickle, .. new PickleWriter().Raw("]Na").Stop()]));
        Assert.Contains("its protocol is the number 1000", Refused([.. LegacyStart(protocol: 1000), .. pickle]));
        Assert.Contains("does not say that it is little endian", Refused([.. LegacyStart(littleEndian: false), .. pickle]));
        Assert.Contains("neither as a zip archive nor with torch.save's magic number", Refused(new PickleWriter().Raw("}").Stop()));
        byte[] huge = new PickleWriter().Protocol().Raw("}").Text("a").Tensor(p => p.LegacyStorage("5", 1L << 60), 0, [1], [1]).Raw("s").Stop();
        Assert.Contains("the storage '5' claims 4611686018427387904 bytes", Refused(Legacy(huge, ("5", 1L << 60, data))));
    }

    [Fact]
    public void A_pickle_longer_than_any_is_refused()
    {
        byte[] pickle = new PickleWriter().Raw("X").Raw(BitConverter.GetBytes(RestrictedUnpickler.MaxLength)).Raw(new byte[RestrictedUnpickler.MaxLength]).Raw("0").Stop();
        Assert.Contains($"its pickle has {pickle.Length} bytes, expected at most {RestrictedUnpickler.MaxLength}", Refused(Zip(pickle)));
        Assert.Contains("goes on after 16777216 bytes, which is the limit", Refused([.. LegacyStart(), .. pickle]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("PK\u0003\u0004")]
    [InlineData("not a checkpoint")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")]
    public void Other_files_are_refused(string content) => Refused(Encoding.ASCII.GetBytes(content));

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains($"{folder["none.bin"]}: not found", Assert.Throws<CheckpointException>(() => PytorchFile.Read(folder["none.bin"])).Message);
        Assert.Contains($"{folder.Path}: cannot be read", Assert.Throws<CheckpointException>(() => PytorchFile.Read(folder.Path)).Message);
    }

    private static ZipEntry[] Good => [new ZipEntry("x/data.pkl", OneVector()), new ZipEntry("x/data/0", Floats(1, 2))];

    private static byte[] OneVector() => new PickleWriter().Protocol().Raw("}").Text("a").Vector("0", 2).Raw("s").Stop();

    /// <summary>A state dict of tensors written one after another.</summary>
    private static byte[] Dict(params Action<PickleWriter>[] tensors)
    {
        PickleWriter pickle = new PickleWriter().Protocol().Raw("}");
        for (int i = 0; i < tensors.Length; i++)
        {
            pickle.Text($"t{i}");
            tensors[i](pickle);
            pickle.Raw("s");
        }
        return pickle.Stop();
    }

    /// <summary>A list of twice the last one, which is remembered in its place.</summary>
    private static Action<PickleWriter> Laugh()
    {
        byte last = 0;
        return pickle => pickle.Raw("](h").Raw(last).Raw("h").Raw(last).Raw("eq").Raw(++last);
    }

    private static byte[] LongShapes()
    {
        PickleWriter pickle = new PickleWriter().Global("torch._utils", "_rebuild_tensor").Raw("q").Raw(0).Raw("(").Storage("0", 2).Number(0).Raw("(");
        pickle.Repeat(8, p => p.Number(1)).Raw("tq").Raw(1).Raw("h").Raw(1).Raw("tq").Raw(2);
        return pickle.Repeat(60_000, p => p.Raw("h").Raw(0).Raw("h").Raw(2).Raw("R")).Stop();
    }

    private Dictionary<string, Tensor> Read(byte[] file) => PytorchFile.Read(Write(file));

    private string Refused(byte[] file)
    {
        string path = Write(file);
        long tensors = LiveTensors.Count();
        string message = Assert.Throws<CheckpointException>(() => PytorchFile.Read(path)).Message;
        Assert.Equal(tensors, LiveTensors.Count());
        Assert.InRange(message.Length, 1, 600 + path.Length);
        return message;
    }

    private string Write(byte[] file)
    {
        File.WriteAllBytes(folder["a.bin"], file);
        return folder["a.bin"];
    }

    private static void Same(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(expected.eq(actual).all().item<bool>());
    }
}
