using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace LlmFusion.Transformers.Tests;

/// <summary>Writes a pickle opcode by opcode: valid ones as torch.save does, and any other.</summary>
public sealed class PickleWriter
{
    private readonly List<byte> bytes = [];

    public byte[] Bytes => [.. bytes];

    public PickleWriter Raw(params ReadOnlySpan<byte> added)
    {
        bytes.AddRange(added);
        return this;
    }

    /// <summary>Opcodes that are letters.</summary>
    public PickleWriter Raw(string letters) => Raw(Encoding.Latin1.GetBytes(letters));

    public PickleWriter Repeat(int times, Action<PickleWriter> write)
    {
        for (int i = 0; i < times; i++)
            write(this);
        return this;
    }

    public PickleWriter Protocol(byte version = 2) => Raw(0x80, version);

    public byte[] Stop() => Raw(".").Bytes;

    public PickleWriter Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return Raw("X").Little32(utf8.Length).Raw(utf8);
    }

    public PickleWriter ShortText(string text) => Raw(0x8c, (byte)text.Length).Raw(text);

    public PickleWriter Number(long value)
    {
        if (value is >= int.MinValue and <= int.MaxValue)
            return value is >= 0 and <= 255 ? Raw("K").Raw((byte)value) : Raw("J").Little32((int)value);
        return Number((BigInteger)value);
    }

    public PickleWriter Number(BigInteger value)
    {
        byte[] digits = value.ToByteArray();
        return Raw(0x8a, (byte)digits.Length).Raw(digits);
    }

    public PickleWriter Flag(bool value) => Raw(value ? (byte)0x88 : (byte)0x89);

    public PickleWriter Global(string module, string name) => Raw($"c{module}\n{name}\n");

    public PickleWriter StackGlobal(string module, string name) => ShortText(module).ShortText(name).Raw(0x93);

    public PickleWriter Numbers(params long[] values)
    {
        Raw("(");
        foreach (long value in values)
            Number(value);
        return Raw("t");
    }

    /// <summary>A call of a global without arguments.</summary>
    public PickleWriter New(string module, string name) => Global(module, name).Raw(")R");

    public PickleWriter Storage(string key, long count, string type = "FloatStorage") =>
        Raw("(").Text("storage").Global("torch", type).Text(key).Text("cpu").Number(count).Raw("tQ");

    /// <summary>As the older format has it; the view is (key, first element, elements).</summary>
    public PickleWriter LegacyStorage(string key, long count, string type = "FloatStorage", (long First, long Count)? view = null)
    {
        Raw("(").Text("storage").Global("torch", type).Text(key).Text("cpu").Number(count);
        if (view is (long first, long length))
            Raw("(").Text(key + "-view").Number(first).Number(length).Raw("t");
        else
            Raw("N");
        return Raw("tQ");
    }

    /// <summary>torch._utils._rebuild_tensor_v2 of a storage.</summary>
    public PickleWriter Tensor(Action<PickleWriter> storage, long offset, long[] shape, long[] strides)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Raw("(");
        storage(this);
        return Number(offset).Numbers(shape).Numbers(strides).Flag(false).New("collections", "OrderedDict").Raw("tR");
    }

    /// <summary>A contiguous float tensor that is its whole storage.</summary>
    public PickleWriter Vector(string key, long count) => Tensor(pickle => pickle.Storage(key, count), 0, [count], [1]);

    private PickleWriter Little32(int value)
    {
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(four, value);
        return Raw(four);
    }
}
