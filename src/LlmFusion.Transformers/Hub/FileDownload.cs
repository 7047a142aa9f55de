using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace LlmFusion.Transformers.Hub;

/// <summary>Brings one file into the cache: resumed where it was broken off, checked, and then there at once.</summary>
internal sealed class FileDownload(HubClient client, HubCache cache, HubOptions options, string id, string commit)
{
    /// <summary>A try that brought this much was worth it: it does not count towards the limit of tries.</summary>
    private const long Progress = 1 << 20;

    /// <summary>Makes the blob of a file, unless it is there.</summary>
    /// <param name="file">The file.</param>
    /// <param name="here">Told how many of its bytes are here.</param>
    /// <param name="waiting">Told if another process makes it.</param>
    /// <param name="stop">Stops it; what has come stays for the next time.</param>
    /// <exception cref="HubException">The bytes do not come, or are not those announced.</exception>
    public async Task RunAsync(RemoteFile file, Action<long> here, Action waiting, CancellationToken stop)
    {
        string blob = cache.Blob(id, file.ETag), part = blob + ".incomplete";
        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        using FileStream held = await cache.LockAsync(id, file.ETag, waiting, stop).ConfigureAwait(false);
        if (IsWhole(blob, file.Bytes))
        {
            here(new FileInfo(blob).Length);
            return;
        }

        bool resumed = File.Exists(part) && new FileInfo(part).Length > 0;
        while (true)
        {
            await FillAsync(part, file, here, stop).ConfigureAwait(false);
            if (Difference(part, file) is not { } difference)
                break;
            File.Delete(part);
            // What was left from another time may have been damaged since; once more without it.
            if (!resumed)
                throw new HubException($"{id}: {file.Name} came with {difference}; it was deleted. Try again; if it happens again, "
                    + $"something between here and {options.Endpoint} changes files");
            resumed = false;
        }
        File.Move(part, blob, overwrite: true);
    }

    private static bool IsWhole(string blob, long? bytes) => File.Exists(blob) && (bytes is null || new FileInfo(blob).Length == bytes);

    private async Task FillAsync(string part, RemoteFile file, Action<long> here, CancellationToken stop)
    {
        using FileStream stream = new(part, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (stream.Length > file.Bytes)
            stream.SetLength(0);
        stream.Position = stream.Length;
        here(stream.Length);
        for (int failures = 0; stream.Length != file.Bytes;)
        {
            long before = stream.Length;
            string reason;
            try
            {
                // Without a length, the end of a body that is whole is the end of the file.
                if (await OnceAsync(stream, file, here, stop).ConfigureAwait(false) && file.Bytes is null)
                    break;
                if (stream.Length == file.Bytes)
                    break;
                reason = string.Create(CultureInfo.InvariantCulture, $"ended after {stream.Length} of {file.Bytes} bytes");
            }
            catch (BrokenOffException error)
            {
                reason = $"broke off ({error.Message})";
            }
            catch (HubException error) when (error.HubIsDown && stream.Length > 0)
            {
                reason = error.Message;
            }
            if (stream.Length > file.Bytes)
                stream.SetLength(0);
            failures = stream.Length - before >= Progress ? 1 : failures + 1;
            if (failures >= options.Tries)
                throw new HubException($"{id}: the download of {file.Name} {reason}, {failures} times; what has come is kept, and the next try goes on from there");
            await client.WaitAsync(client.Delay(failures), $"{file.Name} {reason}", stop).ConfigureAwait(false);
        }
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Writes what one answer brings; true if the answer was whole.</summary>
    private async Task<bool> OnceAsync(FileStream stream, RemoteFile file, Action<long> here, CancellationToken stop)
    {
        using HubClient.Answer answer = await client.OpenAsync(id, commit, file.Name, stream.Length, stop).ConfigureAwait(false);
        if (answer.Status == HttpStatusCode.RequestedRangeNotSatisfiable || (answer.From is { } from && from != stream.Length))
        {
            // There is no such place in the file, or it is another one: from the beginning.
            stream.SetLength(0);
            return false;
        }
        if (answer.From is null)
            stream.SetLength(0);
        stream.Position = stream.Length;
        byte[] buffer = new byte[1 << 18];
        long expected = stream.Length + (answer.Length ?? 0);
        Stream body = await Network(() => answer.BodyAsync(stop)).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            int read;
            while ((read = await Network(() => client.ReadAsync(body, buffer, stop)).ConfigureAwait(false)) > 0)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read), stop).ConfigureAwait(false);
                here(stream.Length);
                if (stream.Length > file.MostBytes)
                {
                    stream.SetLength(0);
                    throw new HubException(string.Create(CultureInfo.InvariantCulture, $"{id}: {file.Name} has more than {file.MostBytes:N0} bytes, which it cannot have; something between here and {options.Endpoint} changes files"));
                }
                if (stream.Length > file.Bytes)
                    return false;
            }
        }
        return answer.Length is null || stream.Length == expected;
    }

    /// <summary>A full disk is an IOException too, and trying again does not help it: only reading counts as the network's.</summary>
    private static async Task<T> Network<T>(Func<Task<T>> read)
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or HttpRequestException or TimeoutException)
        {
            throw new BrokenOffException(error.Message);
        }
    }

    /// <summary>What is wrong with a file that has come; null if it is the one announced.</summary>
    private static string? Difference(string part, RemoteFile file)
    {
        using FileStream stream = File.OpenRead(part);
        if (file.Bytes is { } bytes && stream.Length != bytes)
            return string.Create(CultureInfo.InvariantCulture, $"{stream.Length} bytes, expected {bytes}");
        (string kind, string found) = file.ETag.Length switch
        {
            64 when file.ETag.All(char.IsAsciiHexDigit) => ("sha256", Convert.ToHexStringLower(SHA256.HashData(stream))),
            40 when file.ETag.All(char.IsAsciiHexDigit) => ("git blob id", GitBlobId(stream)),
            // Not a hash of the bytes: their length is all there is to check.
            _ => ("", file.ETag),
        };
        return found.Equals(file.ETag, StringComparison.OrdinalIgnoreCase) ? null : $"the {kind} {found}, expected {file.ETag}";
    }

    /// <summary>sha1("blob " + length + NUL + bytes), by which git and the hub know small files.</summary>
    private static string GitBlobId(FileStream stream)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {stream.Length}\0")));
        byte[] buffer = new byte[1 << 16];
        int read;
        while ((read = stream.Read(buffer)) > 0)
            hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class BrokenOffException(string message) : Exception(message);
}
