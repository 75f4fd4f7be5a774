namespace Mamba.Text.Tokenizing;

/// <summary>Cuts words where something matches.</summary>
internal abstract class Split(SplitBehavior behavior, bool invert = false) : PreTokenizer
{
    /// <inheritdoc/>
    public sealed override void Apply(Pieces pieces)
    {
        List<Segment> segments = [];
        foreach ((int start, int end) in pieces.Items)
        {
            pieces.Matches.Clear();
            Find(pieces.Text.AsSpan(start, end - start), pieces.Matches);
            segments.Clear();
            int done = 0;
            foreach ((int from, int to) in pieces.Matches)
            {
                AddSegment(segments, done, from, invert);
                segments.Add(new(from, to, !invert));
                done = to;
            }

            AddSegment(segments, done, end - start, invert);
            Emit(pieces, start, segments);
        }

        pieces.Advance();
    }

    /// <summary>Appends what matches in a word, in order.</summary>
    protected abstract void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches);

    private static void AddSegment(List<Segment> segments, int from, int to, bool isMatch)
    {
        if (to > from)
        {
            segments.Add(new(from, to, isMatch));
        }
    }

    private void Emit(Pieces pieces, int start, List<Segment> segments)
    {
        for (int i = 0; i < segments.Count;)
        {
            int next = i + 1;
            Segment segment = segments[i];
            switch (behavior)
            {
                case SplitBehavior.Removed when segment.IsMatch:
                    i = next;
                    continue;
                case SplitBehavior.Contiguous:
                    next = RunEnd(segments, i);
                    break;
                case SplitBehavior.MergedWithPrevious when !segment.IsMatch:
                    next += next < segments.Count && segments[next].IsMatch ? 1 : 0;
                    break;
                case SplitBehavior.MergedWithNext when segment.IsMatch:
                    next += next < segments.Count && !segments[next].IsMatch ? 1 : 0;
                    break;
            }

            pieces.Add(start + segment.Start, start + segments[next - 1].End);
            i = next;
        }
    }

    private static int RunEnd(List<Segment> segments, int i)
    {
        int end = i + 1;
        while (end < segments.Count && segments[end].IsMatch == segments[i].IsMatch)
        {
            end++;
        }

        return end;
    }

    private readonly record struct Segment(int Start, int End, bool IsMatch);
}
