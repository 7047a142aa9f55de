using System.Runtime.InteropServices;
using System.Text;

namespace LlmFusion.Distributed;

/// <summary>MPI answered an error, or cannot be used as the launcher asks.</summary>
public sealed class MpiException(string message) : Exception(message);

/// <summary>
/// Open MPI's C functions, as far as training needs them; floats and doubles are summed over all ranks of the job. All calls are
/// made one at a time (MPI_THREAD_SERIALIZED), from whatever thread. Open MPI's handles are the addresses of its symbols.
/// </summary>
internal static unsafe partial class MpiNative
{
    private const string Library = "libmpi.so.40";
    private const int Now = 2, Global = 0x100;              // dlopen: RTLD_NOW, RTLD_GLOBAL
    private const int Serialized = 2;                       // MPI_THREAD_SERIALIZED
    private const int SharedMemory = 0;                     // MPI_COMM_TYPE_SHARED
    private const int LongestText = 256;                    // MPI_MAX_ERROR_STRING, MPI_MAX_LIBRARY_VERSION_STRING
    private const int OnlineProcessors = 84;                // sysconf: _SC_NPROCESSORS_ONLN
    private static readonly void* InPlace = (void*)1;       // MPI_IN_PLACE

    private static nint world, floats, doubles, bytes, sum;

    /// <summary>Loads the library, so that its plug-ins see its symbols.</summary>
    /// <returns>Null if it was loaded, or else the dynamic linker's reason.</returns>
    public static string? Load()
    {
        if (Open(Library, Now | Global) == 0) return Marshal.PtrToStringUTF8(LastError()) ?? $"{Library} was not found";
        nint library = NativeLibrary.Load(Library);
        nint Symbol(string name) => NativeLibrary.GetExport(library, name);
        (world, floats, doubles, bytes, sum) = (Symbol("ompi_mpi_comm_world"), Symbol("ompi_mpi_float"), Symbol("ompi_mpi_double"), Symbol("ompi_mpi_byte"), Symbol("ompi_mpi_op_sum"));
        return null;
    }

    /// <summary>The library's own name and version, such as "Open MPI v4.1.4"; after <see cref="Load"/>.</summary>
    public static string Version()
    {
        byte* text = stackalloc byte[LongestText];
        int length;
        Check("MPI_Get_library_version", GetLibraryVersion(text, &length));
        return Encoding.UTF8.GetString(text, length).Split(',')[0];
    }

    /// <summary>Joins the job; errors come back as codes from here on.</summary>
    /// <returns>This process's rank, the number of ranks, and both among those of the same node.</returns>
    public static (int Rank, int Size, int LocalRank, int LocalSize) Initialize()
    {
        int provided, rank, size, localRank, localSize;
        Check("MPI_Init_thread", InitThread(null, null, Serialized, &provided));
        if (provided < Serialized) throw new MpiException($"MPI_Init_thread: this MPI offers thread level {provided}, expected at least {Serialized} (MPI_THREAD_SERIALIZED)");
        nint library = NativeLibrary.Load(Library), node;
        Check("MPI_Comm_set_errhandler", SetErrorHandler(world, NativeLibrary.GetExport(library, "ompi_mpi_errors_return")));
        Check("MPI_Comm_rank", CommRank(world, &rank));
        Check("MPI_Comm_size", CommSize(world, &size));
        Check("MPI_Comm_split_type", SplitType(world, SharedMemory, rank, NativeLibrary.GetExport(library, "ompi_mpi_info_null"), &node));
        Check("MPI_Comm_rank", CommRank(node, &localRank));
        Check("MPI_Comm_size", CommSize(node, &localSize));
        return (rank, size, localRank, localSize);
    }

    /// <summary>Every rank's values become the sums over all ranks.</summary>
    public static void Sum(Span<float> values)
    {
        fixed (float* at = values) Check("MPI_Allreduce", AllReduce(InPlace, at, values.Length, floats, sum, world));
    }

    /// <summary>Every rank's values become the sums over all ranks, the same bits on each: one rank adds them up.</summary>
    public static void Sum(Span<double> values, int rank)
    {
        fixed (double* at = values)
        {
            Check("MPI_Reduce", Reduce(rank == 0 ? InPlace : at, at, values.Length, doubles, sum, 0, world));
            Check("MPI_Bcast", Broadcast(at, values.Length, doubles, 0, world));
        }
    }

    /// <summary>Every rank's bytes become those of rank 0.</summary>
    public static void Broadcast(Span<byte> values)
    {
        fixed (byte* at = values) Check("MPI_Bcast", Broadcast(at, values.Length, bytes, 0, world));
    }

    /// <summary>Waits until every rank is here, asleep: the others may be long in coming.</summary>
    public static void Barrier()
    {
        nint request;
        int done = 0;
        Check("MPI_Ibarrier", StartBarrier(world, &request));
        while (true)
        {
            Check("MPI_Test", Test(&request, &done, null));
            if (done != 0) return;
            Thread.Sleep(5);
        }
    }

    /// <summary>The node's cores, also where this process is bound to some of them.</summary>
    public static int OnlineCores() => Math.Max(Environment.ProcessorCount, (int)Configured(OnlineProcessors));

    /// <summary>Leaves the job in good order; waits for all ranks.</summary>
    public static void Leave() => Check("MPI_Finalize", FinalizeJob());

    /// <summary>Ends every process of the job, this one included.</summary>
    public static void Abort(int code) => _ = AbortJob(world, code);

    private static void Check(string function, int status)
    {
        if (status == 0) return;
        byte* text = stackalloc byte[LongestText];
        int length;
        string reason = ErrorString(status, text, &length) == 0 ? Encoding.UTF8.GetString(text, length) : $"error {status}";
        throw new MpiException($"{function}: {reason}");
    }

    [LibraryImport("libc.so.6", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string file, int flags);

    [LibraryImport("libc.so.6", EntryPoint = "dlerror")]
    private static partial nint LastError();

    [LibraryImport("libc.so.6", EntryPoint = "sysconf")]
    private static partial nint Configured(int name);

    [LibraryImport(Library, EntryPoint = "MPI_Get_library_version")]
    private static partial int GetLibraryVersion(byte* text, int* length);

    [LibraryImport(Library, EntryPoint = "MPI_Init_thread")]
    private static partial int InitThread(int* count, byte*** arguments, int required, int* provided);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_set_errhandler")]
    private static partial int SetErrorHandler(nint communicator, nint handler);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_rank")]
    private static partial int CommRank(nint communicator, int* rank);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_size")]
    private static partial int CommSize(nint communicator, int* size);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_split_type")]
    private static partial int SplitType(nint communicator, int type, int key, nint info, nint* part);

    [LibraryImport(Library, EntryPoint = "MPI_Allreduce")]
    private static partial int AllReduce(void* from, void* to, int count, nint type, nint operation, nint communicator);

    [LibraryImport(Library, EntryPoint = "MPI_Reduce")]
    private static partial int Reduce(void* from, void* to, int count, nint type, nint operation, int root, nint communicator);

    [LibraryImport(Library, EntryPoint = "MPI_Bcast")]
    private static partial int Broadcast(void* at, int count, nint type, int root, nint communicator);

    [LibraryImport(Library, EntryPoint = "MPI_Ibarrier")]
    private static partial int StartBarrier(nint communicator, nint* request);

    [LibraryImport(Library, EntryPoint = "MPI_Test")]
    private static partial int Test(nint* request, int* done, void* status);

    [LibraryImport(Library, EntryPoint = "MPI_Error_string")]
    private static partial int ErrorString(int status, byte* text, int* length);

    [LibraryImport(Library, EntryPoint = "MPI_Finalize")]
    private static partial int FinalizeJob();

    [LibraryImport(Library, EntryPoint = "MPI_Abort")]
    private static partial int AbortJob(nint communicator, int code);
}
