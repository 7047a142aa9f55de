using LlmFusion.Distributed;
using Xunit;

namespace LlmFusion.Tests.Distributed;

/// <summary>A process knows from its environment alone whether it is one of several.</summary>
public class LaunchTests
{
    public static TheoryData<string, string?, int, int> Environments => new()
    {
        { "", null, 0, 0 },
        { "OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=2", "mpirun", 2, 4 },
        { "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1", null, 0, 0 },
        { "PMIX_RANK=1 SLURM_STEP_NUM_TASKS=8 SLURM_NTASKS=16", "srun", 1, 8 },
        { "PMI_RANK=1 SLURM_STEP_NUM_TASKS=8", "srun", 1, 8 },
        // A batch script, and tasks that share nothing.
        { "SLURM_NTASKS=16 SLURM_PROCID=0", null, 0, 0 },
        { "SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=3", null, 0, 0 },
        { "PMI_RANK=3 PMI_SIZE=4", "another MPI's mpiexec", 3, 4 },
        { "OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 LLMFUSION_MPI=off", null, 0, 0 },
        { "OMPI_COMM_WORLD_RANK=two OMPI_COMM_WORLD_SIZE=4", null, 0, 0 },
    };

    [Theory]
    [MemberData(nameof(Environments))]
    public void A_launcher_is_known_by_its_variables(string environment, string? launcher, int rank, int size) =>
        Assert.Equal(launcher is null ? null : new Launch(launcher, rank, size), Launch.From(Variables(environment)));

    [Fact]
    public void A_process_alone_is_a_group_of_one_and_loads_no_mpi()
    {
        Assert.SkipWhen(Launch.Current is not null, "these tests were started by a launcher");
        string[] Loaded() => [.. File.ReadLines("/proc/self/maps").Where(l => l.Contains("libmpi", StringComparison.Ordinal))];
        string[] before = Loaded();
        ProcessGroup group = ProcessGroup.Join();
        Assert.Same(ProcessGroup.Alone, group);
        Assert.Equal((0, 1, true), (group.Rank, group.Size, group.IsFirst));
        double[] values = [1.5, -2];
        group.Sum(values);
        Assert.Equal([1.5, -2], values);
        Assert.Equal([4, 2, 7], group.Share([4, 2, 7]));
        Assert.Equal(5, group.FirstRankFirst(() => 5));
        Assert.True(group.Any(true));
        Assert.False(group.Any(false));
        group.Wait();
        group.Leave();
        ProcessGroup.AbortIfJoined(1);
        Assert.Equal(before, Loaded());
    }

    [Fact]
    public void Threads_are_shared_among_the_processes_of_a_node()
    {
        int cores = Environment.ProcessorCount;
        Assert.Null(ProcessGroup.ThreadsPerRank(2, Variables("OMP_NUM_THREADS=3")));
        Assert.Equal(6, ProcessGroup.ThreadsPerRank(2, Variables("SLURM_CPUS_PER_TASK=6")));
        Assert.Equal(cores, ProcessGroup.ThreadsPerRank(1, Variables("")));
        Assert.InRange(ProcessGroup.ThreadsPerRank(cores, Variables(""))!.Value, 1, cores);
        Assert.Equal(1, ProcessGroup.ThreadsPerRank(100_000, Variables("")));
    }

    private static Func<string, string?> Variables(string environment)
    {
        Dictionary<string, string> all = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        return name => all.GetValueOrDefault(name);
    }
}
