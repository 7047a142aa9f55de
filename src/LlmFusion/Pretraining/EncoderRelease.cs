using System.Text.Json;
using LlmFusion.Training;
using LlmFusion.Transformers;

namespace LlmFusion.Pretraining;

/// <summary>Makes a pretrained encoder ready to be handed on: the same folder with weights rounded to float16, half the bytes.</summary>
public static class EncoderRelease
{
    private const string WeightsFile = "model.safetensors";

    /// <summary>Whether a folder holds an encoder that <c>pretrain</c> has finished.</summary>
    public static bool IsEncoder(string folder) => File.Exists(Path.Combine(folder, PretrainRecord.FileName));

    /// <summary>Writes it.</summary>
    /// <param name="folder">A folder that <c>pretrain</c> wrote.</param>
    /// <param name="output">A folder that does not exist yet, or is empty. It appears when it is whole.</param>
    /// <returns>The record, with the hash of the rounded weights.</returns>
    /// <exception cref="InvalidDataException">The folder's record is damaged, or it is a released encoder already.</exception>
    /// <exception cref="IOException">The output folder is not empty, or cannot be written.</exception>
    public static PretrainRecord Write(string folder, string output)
    {
        output = Path.GetFullPath(output).TrimEnd(Path.DirectorySeparatorChar);
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
            throw new IOException($"{output}: is there already, expected a new or an empty folder");
        PretrainRecord record = Read(folder);
        if (record.RoundedFromSha256 is not null) throw new InvalidDataException($"{folder}: is a released encoder already, expected the output folder of pretrain");
        string part = output + ".part";
        if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        Directory.CreateDirectory(part);
        foreach (string file in Directory.GetFiles(folder).Where(f => Path.GetExtension(f) is ".json" or ".txt"))
            AtomicFile.Copy(file, Path.Combine(part, Path.GetFileName(file)));
        HalfPrecision.Copy(Path.Combine(folder, WeightsFile), Path.Combine(part, WeightsFile));
        record = record with { WeightsSha256 = CheckpointFiles.Sha256(part), RoundedFromSha256 = record.WeightsSha256 };
        AtomicFile.Write(Path.Combine(part, "README.md"), EncoderCard.Of(record));
        AtomicFile.Write(Path.Combine(part, PretrainRecord.FileName), record.ToJson());
        if (Directory.Exists(output)) Directory.Delete(output);
        Directory.Move(part, output);
        return record;
    }

    /// <summary>How an encoder was pretrained.</summary>
    /// <param name="folder">A folder that <c>pretrain</c> or <see cref="Write"/> wrote.</param>
    /// <exception cref="InvalidDataException">The record is damaged, or of another version.</exception>
    /// <exception cref="IOException">There is none.</exception>
    public static PretrainRecord Read(string folder)
    {
        string path = Path.Combine(folder, PretrainRecord.FileName);
        try
        {
            return JsonSerializer.Deserialize<PretrainRecord>(File.ReadAllText(path), RunConfig.Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}: is no record of a pretraining of this version ({e.Message})", e);
        }
    }
}
