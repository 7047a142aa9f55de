using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using CsCheck;
using TorchSharp;
using Xunit;
using static LlmFusion.Transformers.Tests.PytorchBytes;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>
/// Damaged files in every format: a file is read or refused with a <see cref="CheckpointException"/>; nothing else
/// happens, it does not take long, and it takes no more memory than the file's size allows.
/// </summary>
/// <remarks>
/// The fuzz target is the same with as many files as you have time for; it prints its seed, and a failure prints the
/// file. From the repository, after ./test.sh:
/// <code>
/// LLMFUSION_SLOW_TESTS=1 LLMFUSION_FUZZ_SECONDS=3600 \
///     tests/LlmFusion.Transformers.Tests/bin/Release/net10.0/LlmFusion.Transformers.Tests \
///     --filter-method "*DamagedFileTests.Fuzz*" --output detailed
/// </code>
/// LLMFUSION_FUZZ_SEED=123 repeats the files of a seed; LLMFUSION_FUZZ_SECONDS is 20 for each format by default.
/// </remarks>
public sealed class DamagedFileTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>What one file may cost in time; a thousand times what it does.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(10);

    private static readonly byte[] meaningful =
    [
        .. "().}]{[\",:0123456789KMJXGcRbQqrhjtaeusNUP"u8, 0x80, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x93, 0x94, 0x95, 0xff,
    ];

    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public static readonly TheoryData<string> Formats = ["safetensors", "index", "zip", "zip64", "pickle in zip", "legacy"];

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory, MemberData(nameof(Formats))]
    public void The_undamaged_files_are_read(string format)
    {
        Assert.Null(Probe(format, Good(format)));
    }

    /// <summary>Of these formats no beginning is a whole file.</summary>
    [Theory, MemberData(nameof(Formats))]
    public void A_file_cut_off_anywhere_is_refused(string format)
    {
        byte[] good = Good(format);
        for (int length = 0; length < good.Length; length++)
            Assert.True(Probe(format, good[..length]) is not null, $"{format}: read when cut to {length} of {good.Length} bytes");
    }

    [Theory, MemberData(nameof(Formats))]
    public void Property_damage_is_refused_or_harmless(string format)
    {
        byte[] good = Good(format);
        Gen.Select(Gen.Int[0, 7], Gen.Int[0, 1 << 20], Gen.Int[0, 1 << 20], Gen.Byte).Array[1, 6]
            .Sample(changes => Probe(format, Damage(good, changes)), iter: 1500, threads: 1);
    }

    /// <summary>Fuzz target: see the class's remarks.</summary>
    [Theory, MemberData(nameof(Formats))]
    public void Fuzz(string format)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LLMFUSION_SLOW_TESTS") == "1", "needs LLMFUSION_SLOW_TESTS=1");
        int seed = Number("LLMFUSION_FUZZ_SEED") ?? Random.Shared.Next();
        TimeSpan time = TimeSpan.FromSeconds(Number("LLMFUSION_FUZZ_SECONDS") ?? 20);
        Random random = new(seed);
        byte[] good = Good(format);
        // Files that were read in spite of their damage are damaged further.
        List<byte[]> readable = [good];
        long files = 0, read = 0;
        for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < time; files++)
        {
            byte[] bad = Damage(readable[random.Next(readable.Count)],
                [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => (random.Next(8), random.Next(1 << 20), random.Next(1 << 20), (byte)random.Next(256)))]);
            try
            {
                if (Probe(format, bad) is not null)
                    continue;
                read++;
                if (bad.Length >= good.Length / 2 && bad.Length <= 4 * good.Length)
                    readable[readable.Count < 1000 ? Grow(readable) : random.Next(1, readable.Count)] = bad;
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"{format}, seed {seed}, file {files}: {Convert.ToBase64String(bad)}", error);
            }
        }
        output.WriteLine($"{format}: seed {seed}, {files} files, {read} of them read, {files - read} refused");
        Assert.True(files > read);
    }

    private static int Grow(List<byte[]> list)
    {
        list.Add([]);
        return list.Count - 1;
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : null;

    private static byte[] Good(string format)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = new()
        {
            ["a"] = arange(6, dtype: ScalarType.Float32).reshape(2, 3),
            ["b.weight"] = ones(3, dtype: ScalarType.BFloat16),
            ["n"] = arange(2),
        };
        return format switch
        {
            "safetensors" => WithTemporary(path => Safetensors.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt" })),
            "index" => Encoding.UTF8.GetBytes("""{"metadata": {"total_size": 8}, "weight_map": {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}"""),
            "zip" => Zip(tensors),
            "zip64" => Archive([new ZipEntry("x/data.pkl", Pickle(legacy: false)), new ZipEntry("x/data/0", Floats(1, 2, 3, 4))], zip64: true),
            "pickle in zip" => Pickle(legacy: false),
            "legacy" => Legacy(Pickle(legacy: true), ("0", 4, Floats(1, 2, 3, 4))),
            _ => throw new ArgumentException(format),
        };
    }

    /// <summary>Every opcode and every constructor in one state dict.</summary>
    private static byte[] Pickle(bool legacy)
    {
        PickleWriter pickle = new PickleWriter().Protocol().Raw(0x95, 9, 0, 0, 0, 0, 0, 0, 0).New("collections", "OrderedDict").Raw("q").Raw(0).Raw("(");
        void Storage(PickleWriter writer)
        {
            if (legacy)
                writer.LegacyStorage("0", 4, view: (1, 3));
            else
                writer.Storage("0", 4);
        }

        pickle.Text("a").Tensor(Storage, 1, [2], [1]).Raw("q").Raw(1);
        pickle.Text("t").Tensor(Storage, 0, [1, 3], [1, 1]).Raw(0x94);
        pickle.Text("z").Tensor(Storage, 0, [2, 2], [0, 1]);
        pickle.Text("e").Global("torch._utils", "_rebuild_parameter").Raw("(").Global("torch._utils", "_rebuild_tensor").Raw("(");
        Storage(pickle);
        pickle.Number(0).Global("torch", "Size").Raw("(").Numbers(3).Raw("tR").Numbers(1).Raw("tR").Flag(true).Raw("NtR");
        pickle.Text("again").Raw("h").Raw(1).Raw("u").ShortText("one more").Raw("j").Raw(1, 0, 0, 0).Raw("s");
        pickle.Raw("}").Text("_metadata").Raw("}(").Text("").Raw("}").Text("version").Number(1).Raw("s").Text("x").Raw("](NNe");
        return pickle.Number(1L << 40).Raw("aK").Raw(1).Raw(0x85).Raw("aG").Raw(new byte[8]).Raw("ausb").Stop();
    }

    private static byte[] WithTemporary(Action<string> write)
    {
        using TemporaryFolder temporary = new();
        write(temporary["f"]);
        return File.ReadAllBytes(temporary["f"]);
    }

    /// <summary>Bytes changed, inserted, removed, repeated, swapped for numbers at the limits, or cut off.</summary>
    private static byte[] Damage(byte[] good, (int Kind, int Place, int Other, byte Value)[] changes)
    {
        List<byte> bytes = [.. good];
        foreach ((int kind, int place, int other, byte value) in changes)
        {
            if (bytes.Count == 0)
                break;
            int at = place % bytes.Count, length = Math.Min(other % 16, bytes.Count - at);
            switch (kind)
            {
                case 0:
                    bytes[at] = value;
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << (value % 8));
                    break;
                case 2:
                    // What means something to one of the readers.
                    bytes[at] = meaningful[value % meaningful.Length];
                    break;
                case 3:
                    bytes.Insert(at, value);
                    break;
                case 4:
                    bytes.RemoveRange(at, length);
                    break;
                case 5:
                    bytes.InsertRange(at, bytes.GetRange(other % bytes.Count, Math.Min(value % 32, bytes.Count - (other % bytes.Count))));
                    break;
                case 6:
                    byte[] number = new byte[8];
                    BinaryPrimitives.WriteInt64LittleEndian(number, (value % 8) switch
                    {
                        0 => -1,
                        1 => long.MaxValue,
                        2 => int.MaxValue,
                        3 => uint.MaxValue,
                        4 => 1L << 40,
                        5 => 0,
                        _ => other,
                    });
                    for (int i = 0; i < Math.Min(1 << (value % 4), bytes.Count - at); i++)
                        bytes[at + i] = number[i];
                    break;
                default:
                    // Seldom, or little would be left to read.
                    if (value < 64)
                        bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Reads a file as its format; the refusal, or null when it was read.</summary>
    private CheckpointException? Probe(string format, byte[] file)
    {
        Func<IEnumerable<Tensor>> read;
        long length = file.Length;
        if (format == "index")
        {
            if (!File.Exists(folder["one.safetensors"]))
            {
                Safetensors.Write(folder["one.safetensors"], new Dictionary<string, Tensor> { ["a"] = ones(1), ["b"] = ones(1) });
                Safetensors.Write(folder["two.safetensors"], new Dictionary<string, Tensor> { ["c"] = ones(1) });
            }
            File.WriteAllBytes(folder["model.safetensors.index.json"], file);
            read = () =>
            {
                using CheckpointFiles files = CheckpointFiles.Open(folder.Path);
                return [.. files.Tensors.Select(entry => files.Read(entry.Name))];
            };
        }
        else if (format == "safetensors")
        {
            File.WriteAllBytes(folder["f.safetensors"], file);
            read = () => Safetensors.Read(folder["f.safetensors"]).Values;
        }
        else
        {
            byte[] whole = format == "pickle in zip" ? Zip(file, ("0", Floats(1, 2, 3, 4))) : file;
            length = whole.Length;
            File.WriteAllBytes(folder["f.bin"], whole);
            read = () => PytorchFile.Read(folder["f.bin"]).Values;
        }

        using DisposeScope inner = NewDisposeScope();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch watch = Stopwatch.StartNew();
        CheckpointException? refusal = null;
        try
        {
            long bytes = read().Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);
            Assert.True(bytes <= (8 * length) + (1 << 20), $"{bytes} bytes of tensors from a file of {length}");
        }
        catch (CheckpointException error)
        {
            refusal = error;
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < (RestrictedUnpickler.MemoryFactor * length) + 500_000, $"{allocated} bytes for a file of {length}");
        Assert.True(watch.Elapsed < patience, $"{watch.Elapsed.TotalSeconds} s for a file of {length} bytes");
        return refusal;
    }
}
