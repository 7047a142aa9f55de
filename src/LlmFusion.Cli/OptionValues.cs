using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using LlmFusion.DataSets;

namespace LlmFusion.Cli;

/// <summary>Option values that are checked while they are parsed, so that nonsense ends with <see cref="ExitCode.WrongUse"/>.</summary>
internal static class OptionValues
{
    /// <summary>An option for a whole number not smaller than <paramref name="minimum"/>.</summary>
    public static Option<int> WholeNumber(string name, string description, int byDefault, int minimum) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => byDefault,
        CustomParser = given => int.TryParse(Text(given), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= minimum
            ? number
            : Refuse<int>(given, name, $"a whole number from {minimum} on"),
    };

    /// <summary>An option for a whole number not smaller than <paramref name="minimum"/>, which may be left out.</summary>
    public static Option<int?> WholeNumber(string name, string description, int minimum) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = given => int.TryParse(Text(given), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= minimum
            ? number
            : Refuse<int?>(given, name, $"a whole number from {minimum} on"),
    };

    /// <summary>An option for the three fractions of a split.</summary>
    public static Option<SplitFractions> Fractions(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TRAIN,VALID,TEST",
        CustomParser = given =>
        {
            double[] numbers = [.. Text(given).Split(',').Select(t => double.TryParse(t, NumberStyles.Float, CultureInfo.InvariantCulture, out double n) ? n : double.NaN)];
            try
            {
                if (numbers.Length == 3) return new SplitFractions(numbers[0], numbers[1], numbers[2]);
            }
            catch (ArgumentException)
            {
                // Refused below, with what was given.
            }

            return Refuse<SplitFractions>(given, name, "three numbers from 0 on that add up to 1, as in 0.8,0.1,0.1");
        },
    };

    /// <summary>Lets an argument or option take only the name of a data set, any case; nothing where it may be left out.</summary>
    public static void CheckDataSet(string name, SymbolResult result, string? value)
    {
        if (value is not null && !Catalog.Entries.Any(e => e.Name.Equals(value, StringComparison.OrdinalIgnoreCase)))
            result.AddError($"{name}: got {value}, expected {string.Join(", ", Catalog.Entries.Select(e => e.Name))}");
    }

    /// <summary>An option that may be repeated, each time with <c>NAME=VALUE</c>.</summary>
    public static Option<string[]> Pairs(string name, string description, string form)
    {
        Option<string[]> option = new(name) { Description = description + "; may be repeated", HelpName = form, AllowMultipleArgumentsPerToken = false };
        option.Validators.Add(result =>
        {
            foreach (string text in result.Tokens.Select(t => t.Value).Where(t => t.IndexOf('=', StringComparison.Ordinal) < 1))
                result.AddError($"{name}: got {text}, expected {form}");
        });
        return option;
    }

    /// <summary>The values of a <see cref="Pairs"/> option by their names.</summary>
    public static Dictionary<string, string> ParsePairs(string name, string[]? given)
    {
        Dictionary<string, string> pairs = [];
        foreach (string[] pair in (given ?? []).Select(text => text.Split('=', 2)))
            if (!pairs.TryAdd(pair[0].Trim(), pair[1].Trim())) throw new UsageException($"{name}: got {pair[0]} twice, expected each name once");
        return pairs;
    }

    /// <summary>The parts of a list written with commas; null where nothing was given.</summary>
    public static string[]? List(string? text) => text?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static string Text(ArgumentResult given) => given.Tokens is [{ Value: { } text }] ? text : "";

    private static T Refuse<T>(ArgumentResult given, string name, string expected)
    {
        given.AddError($"{name}: got {Text(given)}, expected {expected}");
        return default!;
    }
}
