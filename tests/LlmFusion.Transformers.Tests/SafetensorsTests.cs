using System.Buffers.Binary;
using System.Text;
using CsCheck;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    public static readonly TheoryData<ScalarType> Types = new(ScalarType.Float64, ScalarType.Float32, ScalarType.Float16,
        ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool);

    [Theory, MemberData(nameof(Types))]
    public void What_is_written_is_read(ScalarType type)
    {
        Tensor values = arange(24).reshape(2, 3, 4).to_type(type);
        Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor>
        {
            ["values"] = values,
            ["transposed"] = values.transpose(0, 2),
            ["scalar"] = values[1, 2, 3],
            ["empty"] = zeros(new long[] { 0, 5 }, dtype: type),
        });
        Dictionary<string, Tensor> read = Safetensors.Read(folder["a.safetensors"]);
        Assert.Equal(4, read.Count);
        Same(values, read["values"]);
        Same(values.transpose(0, 2), read["transposed"]);
        Same(values[1, 2, 3], read["scalar"]);
        Assert.Equal([0, 5], read["empty"].shape);
    }

    [Fact]
    public void Special_numbers_keep_their_bits()
    {
        float[] numbers = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0.0f, float.Epsilon, float.MaxValue];
        Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor> { ["x"] = tensor(numbers) });
        Assert.Equal(numbers.Select(BitConverter.SingleToInt32Bits),
            Safetensors.Read(folder["a.safetensors"])["x"].data<float>().ToArray().Select(BitConverter.SingleToInt32Bits));
    }

    [Fact]
    public void Metadata_and_ranges_stand_in_the_header()
    {
        Safetensors.Write(folder["a.safetensors"],
            new Dictionary<string, Tensor> { ["b"] = ones(3), ["a \"quoted\" ä"] = ones(2, 2), ["wide"] = ones(1, dtype: ScalarType.Int64) },
            new Dictionary<string, string> { ["format"] = "pt", ["note"] = "ü\n" });
        SafetensorsHeader header = Safetensors.ReadHeader(folder["a.safetensors"]);
        Assert.Equal("ü\n", header.Metadata["note"]);
        // Wider types first: every tensor is aligned to its elements.
        Assert.Equal(["wide", "a \"quoted\" ä", "b"], header.Entries.Select(entry => entry.Name));
        Assert.Equal(0, header.Entries[0].Offset % 8);
        Assert.Equal([2, 2], header.Entries[1].Shape);
    }

    [Fact]
    public void The_order_of_the_tensors_does_not_change_the_file()
    {
        Dictionary<string, Tensor> tensors = new() { ["b"] = ones(3), ["a"] = zeros(2) };
        Safetensors.Write(folder["1"], tensors);
        Safetensors.Write(folder["2"], tensors.Reverse().ToDictionary());
        Assert.Equal(File.ReadAllBytes(folder["1"]), File.ReadAllBytes(folder["2"]));
    }

    [Fact]
    public void Only_wanted_tensors_are_read()
    {
        Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor> { ["a"] = ones(3), ["b"] = ones(2) });
        Assert.Equal(["b"], Safetensors.Read(folder["a.safetensors"], name => name == "b").Keys);
    }

    [Fact]
    public void A_parameter_is_written_without_its_history()
    {
        Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor> { ["a"] = ones(3, requires_grad: true) * 2 });
        Assert.Equal(2, Safetensors.Read(folder["a.safetensors"])["a"][0].item<float>());
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_no_other()
    {
        Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor> { ["a"] = ones(3) });
        byte[] before = File.ReadAllBytes(folder["a.safetensors"]);
        Assert.Throws<ArgumentException>(() => Safetensors.Write(folder["a.safetensors"],
            new Dictionary<string, Tensor> { ["c"] = zeros(2, dtype: ScalarType.ComplexFloat32) }));
        Assert.Throws<ArgumentException>(() => Safetensors.Write(folder["a.safetensors"],
            new Dictionary<string, Tensor> { ["__metadata__"] = zeros(2) }));
        Tensor gone = zeros(2);
        gone.Dispose();
        Assert.ThrowsAny<Exception>(() => Safetensors.Write(folder["a.safetensors"], new Dictionary<string, Tensor> { ["x"] = ones(2), ["gone"] = gone }));
        Assert.Equal(before, File.ReadAllBytes(folder["a.safetensors"]));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Assert.Contains(folder["none"], Assert.Throws<CheckpointException>(() => Safetensors.Read(folder["none"])).Message);

    [Theory]
    [InlineData("", "0 bytes, expected at least 8")]
    [InlineData("abc", "3 bytes, expected at least 8")]
    public void Files_too_short_are_refused(string content, string expected)
    {
        File.WriteAllText(folder["a"], content);
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => Safetensors.Read(folder["a"])).Message);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(8UL << 60)]
    [InlineData(100_000_001UL)]
    [InlineData(200UL)]
    public void An_impossible_header_length_is_refused_before_it_is_allocated(ulong length)
    {
        byte[] bytes = new byte[100];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(folder["a"], bytes);
        Assert.Contains($"claims {length} bytes", Assert.Throws<CheckpointException>(() => Safetensors.Read(folder["a"])).Message);
    }

    [Theory]
    [InlineData("[]", "expected an object")]
    [InlineData("{", "JSON")]
    [InlineData("\0\0\0", "JSON")]
    [InlineData("{\"a\":1}", "'a' lacks dtype, shape or data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "'a' lacks dtype")]
    [InlineData("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", "'a' has the type F8_E4M3")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "'a' has -2 in its shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}", "'a' has 1.5 in its shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}", "in its shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", "'a' has 8 bytes, which is not F32 [3]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4,4611686018427387904],\"data_offsets\":[0,8]}}", "which is not F32")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807,9223372036854775807],\"data_offsets\":[0,8]}}", "which is not F32")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4611686018427387904],\"data_offsets\":[0,0]}}", "'a' has 0 bytes, which is not F32")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "'a' has 9 dimensions, expected at most 8")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "'a' lies at [8, 0]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", "'a' has -8 in its data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", "'a' lies at [0, 8, 8]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", "'a' lies at [4, 12], expected a range within the 8 bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "bytes that belong to no tensor")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "its tensors have 4 bytes, the file has 8")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "tensors overlap")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "JSON")]
    [InlineData("{\"__metadata__\":{\"a\":1}}", "__metadata__ is not a map of strings")]
    public void Hostile_headers_are_refused_by_name(string header, string expected)
    {
        WriteRaw(header, dataLength: 8);
        CheckpointException error = Assert.Throws<CheckpointException>(() => Safetensors.Read(folder["a"]));
        Assert.Contains(folder["a"], error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void A_file_without_tensors_is_legal()
    {
        WriteRaw("{}", dataLength: 0);
        Assert.Empty(Safetensors.Read(folder["a"]));
    }

    [Fact]
    public void A_header_nested_deeply_is_refused() =>
        Assert.Throws<CheckpointException>(() =>
        {
            WriteRaw(new string('[', 100_000), dataLength: 0);
            Safetensors.Read(folder["a"]);
        });

    /// <summary>Any set of names, types and shapes comes back as it was.</summary>
    [Fact]
    public void Property_round_trip()
    {
        Gen<(string, int, long[])> one = Gen.Select(Gen.String[1, 12], Gen.Int[0, Types.Count - 1], Gen.Long[0, 4].Array[0, 4]);
        one.List[0, 6].Sample(items =>
        {
            using DisposeScope inner = NewDisposeScope();
            ScalarType[] types = [.. Types.Select(row => row.Data)];
            Dictionary<string, Tensor> tensors = [];
            foreach ((string name, int type, long[] shape) in items)
                tensors[name] = randint(0, 100, shape).to_type(types[type]);
            // Lone surrogates are no UTF-8: such names cannot be kept.
            if (tensors.Keys.Any(name => name.EnumerateRunes().Any(rune => rune == Rune.ReplacementChar)))
                return;
            Safetensors.Write(folder["p"], tensors, new Dictionary<string, string> { ["k"] = "v" });
            Dictionary<string, Tensor> read = Safetensors.Read(folder["p"]);
            Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), read.Keys.Order(StringComparer.Ordinal));
            foreach ((string name, Tensor value) in tensors)
                Same(value, read[name]);
        }, iter: 100, threads: 1);
    }

    /// <summary>A file cut off or with bytes changed is read or refused; nothing else happens.</summary>
    [Fact]
    public void Property_damage_is_refused()
    {
        Safetensors.Write(folder["good"], new Dictionary<string, Tensor> { ["a"] = ones(3), ["b"] = ones(2, 2), ["c"] = ones(1, dtype: ScalarType.Bool) });
        byte[] good = File.ReadAllBytes(folder["good"]);
        Gen.Select(Gen.Int[0, good.Length], Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte).Array[0, 4]).Sample((length, changes) =>
        {
            byte[] bad = [.. good];
            foreach ((int place, byte value) in changes)
                bad[place] = value;
            File.WriteAllBytes(folder["bad"], bad[..length]);
            using DisposeScope inner = NewDisposeScope();
            try
            {
                Safetensors.Read(folder["bad"]);
            }
            catch (CheckpointException)
            {
            }
        }, iter: 2000, threads: 1);
    }

    private void WriteRaw(string header, int dataLength)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, text.Length);
        File.WriteAllBytes(folder["a"], [.. prefix, .. text, .. new byte[dataLength]]);
    }

    private static void Same(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(expected.eq(actual).all().item<bool>());
    }
}
