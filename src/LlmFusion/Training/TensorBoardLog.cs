using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Tensorboard;

namespace LlmFusion.Training;

/// <summary>
/// A TensorBoard event file, fed with the lines of <see cref="EventLog"/>. TorchSharp's event classes, but not its writer,
/// which keeps wall time in a float: good to two minutes.
/// </summary>
public sealed class TensorBoardLog : IDisposable
{
    private readonly FileStream _file;

    /// <param name="folder">Where the file lies; the run's earlier ones are replaced.</param>
    /// <param name="before">Lines that were written before the checkpoint that is resumed.</param>
    public TensorBoardLog(string folder, IReadOnlyList<JsonObject> before)
    {
        Directory.CreateDirectory(folder);
        string[] earlier = Directory.GetFiles(folder, "*tfevents*");
        DateTimeOffset now = DateTimeOffset.UtcNow;
        string path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{now.ToUnixTimeMilliseconds()}.llmfusion"));
        _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read);
        Write(new Event { FileVersion = "brain.Event:2", WallTime = Seconds(before.Count > 0 ? TimeOf(before[0]) : now) });
        foreach (JsonObject line in before) Add(line, flush: false);
        _file.Flush();
        foreach (string file in earlier.Where(file => file != path)) File.Delete(file);
    }

    /// <summary>Appends what a line says, where it is a curve.</summary>
    public void Add(JsonObject line) => Add(line, flush: true);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Add(JsonObject line, bool flush)
    {
        Summary summary = new();
        void Scalar(string tag, JsonNode? value)
        {
            if (value is not null) summary.Value.Add(new Summary.Types.Value { Tag = tag, SimpleValue = (float)value.GetValue<double>() });
        }

        switch (line["event"]!.GetValue<string>())
        {
            case "step":
                Scalar("loss/batch", line["batch_loss"]);
                Scalar("gradient_norm", line["gradient_norm"]);
                Scalar("learning_rate", line["learning_rate"]);
                break;
            case "epoch":
                Scalar("loss/train", line["train_loss"]);
                Scalar("loss/valid", line["valid_loss"]);
                Scalar("molecules_per_second", line["molecules_per_second"]);
                foreach ((string target, JsonNode? mae) in line["valid_mae"]!.AsObject()) Scalar($"valid_mae/{target}", mae);
                break;
        }

        if (summary.Value.Count == 0) return;
        long step = (line["epoch"]!.GetValue<int>() - 1L) * line["steps"]!.GetValue<int>() + line["step"]!.GetValue<int>();
        Write(new Event { Step = step, WallTime = Seconds(TimeOf(line)), Summary = summary });
        if (flush) _file.Flush();
    }

    private static DateTimeOffset TimeOf(JsonObject line) => DateTimeOffset.Parse(line["time"]!.GetValue<string>(), CultureInfo.InvariantCulture);

    private static double Seconds(DateTimeOffset time) => time.ToUnixTimeMilliseconds() / 1000.0;

    /// <summary>A record of TensorFlow's: length, its checksum, bytes, their checksum.</summary>
    private void Write(Event happened)
    {
        byte[] bytes = happened.ToByteArray();
        Span<byte> number = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(number, (ulong)bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(number[8..], MaskedChecksum(number[..8]));
        _file.Write(number);
        _file.Write(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(number, MaskedChecksum(bytes));
        _file.Write(number[..4]);
    }

    private static uint MaskedChecksum(ReadOnlySpan<byte> bytes)
    {
        uint checksum = uint.MaxValue;
        foreach (byte b in bytes) checksum = BitOperations.Crc32C(checksum, b);
        return BitOperations.RotateRight(~checksum, 15) + 0xA282EAD8;
    }
}
