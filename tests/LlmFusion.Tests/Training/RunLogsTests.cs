using System.Buffers.Binary;
using System.Text.Json.Nodes;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using Tensorboard;
using TorchSharp;
using Xunit;

namespace LlmFusion.Tests.Training;

public sealed class RunLogsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TensorBoard_gets_each_curve_at_its_step_and_time()
    {
        using (TensorBoardLog log = new(_folder["tb"], []))
        {
            log.Add(Line("step", 2, 10, ("batch_loss", 0.5), ("learning_rate", 1e-3), ("gradient_norm", null)));
            log.Add(Line("checkpoint", 2, 10));
            log.Add(new JsonObject(Line("epoch", 2, 25, ("train_loss", 0.25), ("valid_loss", null)).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone()))) { ["valid_mae"] = new JsonObject { ["a b"] = 3.5 } });
        }

        Event[] events = [.. Events(Directory.GetFiles(_folder["tb"]).Single())];
        Assert.Equal("brain.Event:2", events[0].FileVersion);
        Assert.Equal([0L, 35, 50], events.Select(e => e.Step));
        Assert.Equal(["loss/batch", "learning_rate"], events[1].Summary.Value.Select(v => v.Tag));
        Assert.Equal(["loss/train", "valid_mae/a b"], events[2].Summary.Value.Select(v => v.Tag));
        Assert.Equal(3.5f, events[2].Summary.Value[1].SimpleValue);
        Assert.Equal(1_700_000_000.25, events[1].WallTime);
    }

    [Fact]
    public void Records_are_framed_as_TorchSharps_own_writer_frames_them()
    {
        var writer = torch.utils.tensorboard.SummaryWriter(_folder["theirs"]);
        writer.add_scalar("loss/batch", 0.5f, 35, 0);
        byte[] theirs = File.ReadAllBytes(Directory.GetFiles(_folder["theirs"]).Single());
        using (TensorBoardLog log = new(_folder["ours"], []))
            log.Add(Line("step", 2, 10, ("batch_loss", 0.5)));
        byte[] ours = File.ReadAllBytes(Directory.GetFiles(_folder["ours"]).Single());
        // Checksums are checked where ours are read; here that theirs pass the same check.
        Assert.Equal(2, Events(Directory.GetFiles(_folder["theirs"]).Single()).Count());
        Assert.Equal(Events(Directory.GetFiles(_folder["theirs"]).Single()).Last().Summary, Events(Directory.GetFiles(_folder["ours"]).Single()).Last().Summary);
        Assert.NotEmpty(theirs);
        Assert.NotEmpty(ours);
    }

    [Fact]
    public void The_report_stands_alone_and_takes_names_for_text()
    {
        const string name = "<script>alert('x')</script>&\"é";
        File.WriteAllLines(_folder["<b>data.csv"], ["smiles,\"" + name.Replace("\"", "\"\"") + "\"", .. new[] { "CCO", "CCC", "CCN", "CCCC", "CCCO", "CCCN" }.Select((s, i) => $"{s},{i}")]);
        RunConfig config = new()
        {
            TrainFile = _folder["<b>data.csv"],
            ValidFile = _folder["<b>data.csv"],
            TestFile = _folder["<b>data.csv"],
            Targets = [name],
            Units = { [name] = "<i>m" },
            Modalities = ["fingerprint"],
            Size = "tiny",
            Epochs = 2,
            Device = "cpu",
        };
        string model = TrainingRun.Run(config, _folder["model"], false, _ => { }, TestContext.Current.CancellationToken).Folder;
        string html = File.ReadAllText(Path.Combine(model, TrainingRun.ReportFile));
        foreach (string foreign in new[] { "<script", "<b>", "<i>m", "http://", "https://", "<link", "<img", "@import", "src=" }) Assert.DoesNotContain(foreign, html);
        Assert.Contains("&lt;script&gt;", html);
        Assert.Equal(2, html.Split("<svg").Length - 1);
        Assert.Contains("batch_size: 64", html);
        Assert.Contains("Morgan fingerprint", html);
        Assert.Contains(TrainedModel.ReadManifest(model).WeightsSha256, html);
        // Clip paths of two figures must not be taken for each other.
        string[] ids = [.. System.Text.RegularExpressions.Regex.Matches(html, " id=\"([^\"]*)\"").Select(m => m.Groups[1].Value)];
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(System.Text.RegularExpressions.Regex.Matches(html, @"url\(#([^)]*)\)"), m => Assert.Contains(m.Groups[1].Value, ids));
        _ = System.Xml.Linq.XDocument.Parse(html.Replace("<!DOCTYPE html>", "").Replace("<meta charset=\"utf-8\">", "").Replace("initial-scale=1\">", "initial-scale=1\"/>").Replace("<details open>", "<details>").Replace("&nbsp;", " "));
    }

    private static JsonObject Line(string name, int epoch, int step, params (string Key, double? Value)[] values)
    {
        JsonObject line = new() { ["event"] = name, ["time"] = "2023-11-14T22:13:20.250Z", ["epoch"] = epoch, ["step"] = step, ["steps"] = 25 };
        foreach ((string key, double? value) in values) line[key] = value;
        return line;
    }

    /// <summary>The events of a file whose lengths and checksums are right.</summary>
    private static IEnumerable<Event> Events(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        for (int at = 0; at < bytes.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            Assert.Equal(Checksum(bytes.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)));
            Assert.Equal(Checksum(bytes.AsSpan(at + 12, length)), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)));
            yield return Event.Parser.ParseFrom(bytes, at + 12, length);
            at += length + 16;
        }
    }

    /// <summary>TensorFlow's masked CRC-32C, bit by bit as its definition has it.</summary>
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        crc = ~crc;
        return unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8);
    }
}
