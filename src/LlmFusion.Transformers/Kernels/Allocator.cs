using System.Runtime.InteropServices;

namespace LlmFusion.Transformers.Kernels;

/// <summary>How the allocator treats the memory of tensors: glibc's, or tcmalloc where it is preloaded.</summary>
public static unsafe partial class Allocator
{
    private static readonly delegate* unmanaged<void> ReleaseOfTcmalloc =
        (delegate* unmanaged<void>)(NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "MallocExtension_ReleaseFreeMemory", out nint function) ? function : 0);

    private const int MmapThreshold = -3; // M_MMAP_THRESHOLD of malloc.h
    private const int Large = 1 << 20;

    /// <summary>
    /// From now on the memory of tensors of 1 MiB and more goes back to the system when they are freed. Otherwise glibc keeps blocks
    /// of up to 32 MiB that lie below others in use. Each such tensor then costs page faults. Only glibc can; tcmalloc gives back little by little by itself.
    /// </summary>
    public static void ReturnLargeBlocks()
    {
        try
        {
            _ = SetOption(MmapThreshold, Large);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Only memory is lost.
        }
    }

    /// <summary>Gives free memory between blocks in use back to the system: batches of ever other sizes leave gaps that only grow.</summary>
    public static void Trim()
    {
        if (ReleaseOfTcmalloc is not null)
        {
            ReleaseOfTcmalloc();
            return;
        }

        try
        {
            _ = TrimHeaps(0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // As above.
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "malloc_trim")]
    private static partial int TrimHeaps(nuint padding);

    [LibraryImport("libc.so.6", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
