using System.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>Parts the text of an answer, as it comes, into reasoning, text and calls of functions.</summary>
internal sealed class AnswerReader
{
    private readonly ToolFormat? _tools;
    private readonly ToolCallReader? _calls;
    private readonly bool _hasReasoning;
    private readonly StringBuilder _body = new(); // of a call, or of a beginning that decides what follows
    private StopFinder _next;
    private Part _part;
    private bool _isAtStart = true; // white space there is left out, where the answer has parts

    /// <summary>Begins an answer.</summary>
    /// <param name="reasoning">Whether reasoning is parted from the answer.</param>
    /// <param name="isReasoning">Whether the prompt has begun it.</param>
    /// <param name="tools">The format of calls; null: there are none.</param>
    /// <param name="functions">The functions that may be called.</param>
    public AnswerReader(
        bool reasoning, bool isReasoning, ToolFormat? tools, IReadOnlyList<AIFunctionDeclaration> functions)
    {
        _hasReasoning = reasoning;
        _tools = tools;
        _calls = tools is null ? null : new(tools, functions);
        _part = isReasoning ? Part.Reasoning : reasoning || tools is { Begin: "" } ? Part.Beginning : Part.Text;
        _next = FinderOf(_part);
        _isAtStart = reasoning || tools is not null;
    }

    private enum Part
    {
        Beginning,
        Reasoning,
        Text,
        Call,
    }

    /// <summary>Whether the answer is in its reasoning.</summary>
    public bool IsReasoning => _part == Part.Reasoning;

    /// <summary>Number of calls so far.</summary>
    public int Calls { get; private set; }

    /// <summary>Adds text.</summary>
    /// <returns>The contents that have become certain.</returns>
    public List<AIContent> Append(string text)
    {
        List<AIContent> contents = [];
        while (text.Length > 0)
        {
            text = _part == Part.Beginning ? Begin(text, isEnd: false) : Continue(text, contents);
        }

        return contents;
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The contents that were held back.</returns>
    public List<AIContent> Finish()
    {
        List<AIContent> contents = [];
        if (_part == Part.Beginning)
        {
            contents.AddRange(Append(Begin("", isEnd: true)));
        }

        Add(_next.Finish(), contents);
        if (_part == Part.Call)
        {
            EndCall(contents);
        }

        return contents;
    }

    /// <summary>Holds the beginning back until it is known what it is; gives the text to read again.</summary>
    private string Begin(string text, bool isEnd)
    {
        string all = _body.Append(text).ToString(), found = all.TrimStart();
        bool isBare = _tools is { Begin: "" };
        (string Mark, Part Part)[] marks =
        [
            .. _hasReasoning ? [(AnswerFormat.BeginReasoning, Part.Reasoning)] : Array.Empty<(string, Part)>(),
            .. isBare ? [(ToolFormat.PythonTag, Part.Call), ("{", Part.Call)] : Array.Empty<(string, Part)>(),
        ];
        foreach ((string mark, Part part) in marks)
        {
            if (found.StartsWith(mark, StringComparison.Ordinal))
            {
                _body.Clear();
                Enter(part);
                return mark == "{" ? found : found[mark.Length..];
            }

            if (!isEnd && mark.StartsWith(found, StringComparison.Ordinal))
            {
                return ""; // it may still become the mark
            }
        }

        _body.Clear();
        Enter(Part.Text);
        return all;
    }

    private string Continue(string text, List<AIContent> contents)
    {
        Add(_next.Append(text), contents);
        if (!_next.IsFound)
        {
            return "";
        }

        string rest = _next.Rest;
        if (_part == Part.Call)
        {
            EndCall(contents);
        }

        bool mayBeBare = _part == Part.Reasoning && _tools is { Begin: "" };
        Enter(_part == Part.Text ? Part.Call : mayBeBare ? Part.Beginning : Part.Text);
        return rest;
    }

    private void Add(string text, List<AIContent> contents)
    {
        if (_part == Part.Call)
        {
            _body.Append(text);
            return;
        }

        text = _isAtStart ? text.TrimStart() : text;
        if (text.Length > 0)
        {
            _isAtStart = false;
            contents.Add(IsReasoning ? new TextReasoningContent(text) : new TextContent(text));
        }
    }

    private void EndCall(List<AIContent> contents)
    {
        string body = _body.ToString();
        _body.Clear();
        List<FunctionCallContent> calls = _calls!.Read(body);
        Calls += calls.Count;
        contents.AddRange(calls);
        if (calls.Count == 0)
        {
            string end = _next.IsFound ? _tools!.End : "";
            contents.Add(new TextContent(_tools!.Begin + body + end)); // it is no call, so it is what the model said
        }
    }

    private void Enter(Part part)
    {
        _part = part;
        _isAtStart = _hasReasoning || _tools is not null;
        _next = FinderOf(part);
    }

    private StopFinder FinderOf(Part part)
    {
        string mark = part switch
        {
            Part.Reasoning => AnswerFormat.EndReasoning,
            Part.Text => _tools?.Begin ?? "",
            Part.Call => _tools!.End,
            _ => "",
        };
        return new(mark.Length > 0 ? [mark] : []);
    }
}
