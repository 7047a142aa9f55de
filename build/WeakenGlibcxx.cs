using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.Build.Framework;

/// <summary>
/// Makes libLibTorchSharp.so loadable where libstdc++ is older than GCC 13's. The library names the version
/// GLIBCXX_3.4.32 only for std::ios_base_library_init, to which it has no relocation: setting VER_FLG_WEAK on that
/// one entry of the ELF version-needs table (.gnu.version_r) lets the dynamic linker go on without it.
/// Where libstdc++ has the version, nothing is touched.
/// </summary>
public class WeakenGlibcxx : Microsoft.Build.Utilities.Task
{
    private const string Library = "libLibTorchSharp.so";
    private const string Version = "GLIBCXX_3.4.32";
    private const uint VersionNeedsSection = 0x6ffffffe; // SHT_GNU_verneed
    private const ushort Weak = 2;                       // VER_FLG_WEAK

    /// <summary>The build or publish output, searched with its subfolders.</summary>
    [Required]
    public string Folder { get; set; }

    public override bool Execute()
    {
        if (!Directory.Exists(Folder)) return true;
        string[] copies = Directory.GetFiles(Folder, Library, SearchOption.AllDirectories);
        if (copies.Length == 0 || LibstdcxxHasVersion()) return true;
        foreach (string path in copies) Patch(path);
        return true;
    }

    private void Patch(string path)
    {
        byte[] elf = File.ReadAllBytes(path);
        int flags = FindFlags(elf);
        if (flags < 0 || BitConverter.ToUInt16(elf, flags) == Weak) return;
        elf[flags] = (byte)Weak;
        elf[flags + 1] = 0;
        // A new file renamed over the old one: the output may be a link into the package folder, which must stay as shipped.
        string part = path + ".part";
        File.Copy(path, part, overwrite: true);
        // With the original's time, which the copy has, the next build finds the output up to date and leaves it.
        DateTime time = File.GetLastWriteTimeUtc(part);
        File.WriteAllBytes(part, elf);
        File.SetLastWriteTimeUtc(part, time);
        File.Delete(path);
        File.Move(part, path);
        Log.LogMessage(MessageImportance.Normal, "{0}: {1} made weak", path, Version);
    }

    /// <summary>Offset of vna_flags of the entry for <see cref="Version"/> in a little-endian ELF64 file, or -1.</summary>
    private static int FindFlags(byte[] elf)
    {
        if (elf.Length < 64 || elf[0] != 0x7f || elf[1] != 'E' || elf[2] != 'L' || elf[3] != 'F' || elf[4] != 2 || elf[5] != 1)
            throw new InvalidDataException(Library + " is no 64-bit little-endian ELF file");
        int sections = (int)BitConverter.ToUInt64(elf, 0x28);
        int entrySize = BitConverter.ToUInt16(elf, 0x3a), count = BitConverter.ToUInt16(elf, 0x3c);
        for (int i = 0; i < count; i++)
        {
            int section = sections + i * entrySize;
            if (BitConverter.ToUInt32(elf, section + 4) != VersionNeedsSection) continue;
            int strings = sections + (int)BitConverter.ToUInt32(elf, section + 0x28) * entrySize; // sh_link: its string table
            int stringTable = (int)BitConverter.ToUInt64(elf, strings + 0x18);
            int need = (int)BitConverter.ToUInt64(elf, section + 0x18);
            while (true)
            {
                int entry = need + (int)BitConverter.ToUInt32(elf, need + 8);               // vn_aux
                for (int left = BitConverter.ToUInt16(elf, need + 2); left > 0; left--)     // vn_cnt
                {
                    if (ReadString(elf, stringTable + (int)BitConverter.ToUInt32(elf, entry + 8)) == Version) return entry + 4;
                    entry += (int)BitConverter.ToUInt32(elf, entry + 12);                   // vna_next
                }
                int next = (int)BitConverter.ToUInt32(elf, need + 12);                      // vn_next
                if (next == 0) break;
                need += next;
            }
        }
        return -1;
    }

    private static string ReadString(byte[] bytes, int start)
    {
        int end = Array.IndexOf(bytes, (byte)0, start);
        return Encoding.ASCII.GetString(bytes, start, end - start);
    }

    private static bool LibstdcxxHasVersion()
    {
        string[] folders = { "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib" };
        string found = folders.Select(f => Path.Combine(f, "libstdc++.so.6")).FirstOrDefault(File.Exists);
        // Latin-1 keeps every byte, so that an ordinal search of the text is a search of the bytes.
        return found != null && Encoding.GetEncoding(28591).GetString(File.ReadAllBytes(found)).IndexOf(Version + "\0", StringComparison.Ordinal) >= 0;
    }
}
