using LlmFusion.Transformers.Hub;

namespace LlmFusion.Cli.Rendering;

/// <summary>Shows on stderr what getting a model does: bytes, rate, time left, and what went wrong but passes.</summary>
internal sealed class DownloadView(Screen screen) : IDisposable
{
    private ProgressLine? line;
    private (string Id, long? Total) shown;

    /// <summary>Shows one event.</summary>
    public void Show(HubProgress happened)
    {
        switch (happened.Stage)
        {
            case HubStage.Downloading:
                if (line is null || shown != (happened.Id, happened.Total))
                {
                    Dispose();
                    shown = (happened.Id, happened.Total);
                    line = screen.Progress("bytes", happened.Total, before: happened.Bytes);
                }

                line.Report(happened.Bytes, happened.File is null ? happened.Id : $"{happened.Id} {happened.File}");
                break;
            case HubStage.Waiting or HubStage.Retrying or HubStage.UsingCache:
                Dispose();
                string what = happened.Stage == HubStage.UsingCache ? "the copy in the cache is used, as " : "";
                screen.Note($"{happened.Id}: {what}{happened.Reason}");
                break;
        }
    }

    /// <summary>Takes a running line off the terminal.</summary>
    public void Dispose()
    {
        line?.Dispose();
        line = null;
    }
}
