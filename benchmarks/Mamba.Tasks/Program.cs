using System.CommandLine;
using Mamba.Tasks.Copying;
using Mamba.Tasks.Induction;
using Mamba.Tasks.Pixels;
using Mamba.Tasks.Recall;
using Mamba.Tasks.Text;

RootCommand root = new("Trains small models on tasks that show what the layers can learn; prints a table of results.")
{
    CopyingCommand.Create(),
    InductionCommand.Create(),
    RecallCommand.Create(),
    PixelsCommand.Create(),
    TextCommand.Create(),
};
try
{
    return root.Parse(args).Invoke(new() { EnableDefaultExceptionHandler = false });
}
catch (Exception e) when (e is ArgumentException or IOException or InvalidDataException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
