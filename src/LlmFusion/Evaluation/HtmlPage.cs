using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace LlmFusion.Evaluation;

/// <summary>The frame of a report in HTML: one file without links to anything, readable by print and on a phone.</summary>
internal static partial class HtmlPage
{
    /// <summary>Everything up to the first section.</summary>
    /// <param name="html">The page.</param>
    /// <param name="kind">What kind of report it is.</param>
    /// <param name="title">Its title.</param>
    /// <param name="below">What stands below the title.</param>
    public static void Begin(StringBuilder html, string kind, string title, string below) => html.Append($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{Text(title)} - {Text(kind)}</title>
        <style>{Style}</style>
        </head>
        <body>
        <header>
        <p class="kind">{Text(kind)}</p>
        <h1>{Text(title)}</h1>
        <p>{Text(below)}</p>
        </header>
        <main>

        """);

    /// <summary>Everything behind the last section.</summary>
    /// <param name="html">The page.</param>
    /// <param name="footer">What stands at the foot.</param>
    public static void End(StringBuilder html, string footer) => html.Append($"</main>\n<footer>{Text(footer)}</footer>\n</body>\n</html>\n");

    /// <summary>Text as HTML.</summary>
    public static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>An SVG file as part of a page: without its prolog, at the width there is, and with ids that no other figure has.</summary>
    public static string Inline(string svg, string prefix)
    {
        svg = svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
        svg = Namespaces().Replace(svg, "", 2); // a page knows what an svg is
        svg = Ids().Replace(svg, m => $"{m.Groups["before"].Value}{prefix}");
        return Size().Replace(svg, m => $"<svg viewBox=\"0 0 {m.Groups["w"].Value} {m.Groups["h"].Value}\" style=\"max-width:{m.Groups["w"].Value}px\"", 1);
    }

    [GeneratedRegex("(?<before>\\bid=\"|url\\(#|xlink:href=\"#|\\bhref=\"#)")]
    private static partial Regex Ids();

    [GeneratedRegex(" xmlns(:xlink)?=\"[^\"]*\"")]
    private static partial Regex Namespaces();

    [GeneratedRegex("<svg(?=[^>]*?\\bwidth=\"(?<w>[0-9.]+)\")(?=[^>]*?\\bheight=\"(?<h>[0-9.]+)\")")]
    private static partial Regex Size();

    private const string Style = """

        :root { --ink: #1f2933; --faint: #66717e; --line: #e3e7ec; --blue: #2b6cb0; --back: #f5f7f9; }
        * { box-sizing: border-box; }
        body { margin: 0; font: 15px/1.5 system-ui, "DejaVu Sans", "Liberation Sans", Arial, sans-serif; color: var(--ink); background: var(--back); }
        header { background: linear-gradient(120deg, #1a365d, #2b6cb0); color: #fff; padding: 30px max(24px, calc(50vw - 610px)); }
        header h1 { margin: 2px 0; font-size: 30px; overflow-wrap: anywhere; } header p { margin: 0; opacity: .85; overflow-wrap: anywhere; }
        .kind { text-transform: uppercase; letter-spacing: .08em; font-size: 12px; }
        main { max-width: 1268px; margin: 0 auto; padding: 12px 24px; }
        section { margin: 26px 0; } h2 { font-size: 20px; margin: 0 0 10px; } h3 { font-size: 15px; margin: 0 0 8px; }
        section > p { color: var(--faint); margin: 0 0 10px; max-width: 80ch; }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; }
        .card, .box, figure, .scroll, pre { background: #fff; border: 1px solid var(--line); border-radius: 8px; }
        .card { padding: 12px 16px; min-width: 0; overflow-wrap: anywhere; } .card .title, .card .below { color: var(--faint); font-size: 13px; } .card .value { font-size: 24px; font-weight: 600; }
        .figures { display: flex; flex-wrap: wrap; gap: 14px; } figure { margin: 0; padding: 10px; flex: 1 1 400px; text-align: center; min-width: 0; }
        figure.wide { flex-basis: 100%; } figure svg { width: 100%; height: auto; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; } th, td { padding: 6px 9px; text-align: left; vertical-align: top; }
        th { font-size: 13px; color: var(--faint); font-weight: 600; border-bottom: 1px solid var(--line); } tr.first td { border-top: 1px solid var(--line); }
        .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } th.n { white-space: normal; vertical-align: bottom; } .line { white-space: nowrap; } td small { display: block; color: var(--faint); font-size: 11.5px; }
        tr.model td { background: #ebf4fc; } tr.model td.n { font-weight: 600; } tr.model td small { font-weight: 400; }
        .columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 12px; align-items: start; } .box { padding: 14px 16px; min-width: 0; }
        dl { display: grid; grid-template-columns: minmax(90px, auto) 1fr; gap: 3px 14px; margin: 0; font-size: 14px; } dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
        pre { margin: 0; padding: 12px 16px; overflow-x: auto; columns: 340px 3; font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; } summary { cursor: pointer; color: var(--blue); margin-bottom: 8px; }
        footer { max-width: 1268px; margin: 0 auto; padding: 8px 24px 30px; color: var(--faint); font-size: 13px; overflow-wrap: anywhere; }
        @media print { body { background: #fff; } header { color: #000; background: none; } section, figure, .card { break-inside: avoid; } }

        """;
}
