using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Mamba.Models.Serving;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>/metrics</c>: the instruments of an engine in the text format of Prometheus.</summary>
/// <remarks>Prometheus exposition format, version 0.0.4.</remarks>
internal sealed class PrometheusMetrics : IDisposable
{
    private static readonly double[] Bounds =
        [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500];

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    /// <summary>Begins to listen.</summary>
    public PrometheusMetrics(MambaEngine engine)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == engine)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    public Task HandleAsync(HttpContext context, CancellationTokenSource ending)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(Write(), ending.Token);
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>All instruments as text.</summary>
    internal string Write()
    {
        _listener.RecordObservableInstruments();
        StringBuilder text = new();
        string? last = null;
        lock (_lock)
        {
            foreach (Series series in _series.Values)
            {
                if (series.Name != last)
                {
                    last = series.Name;
                    text.Append(CultureInfo.InvariantCulture, $"# HELP {last} {series.Description}\n");
                    text.Append(CultureInfo.InvariantCulture, $"# TYPE {last} {series.Kind}\n");
                }

                series.Write(text);
            }
        }

        return text.ToString();
    }

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        StringBuilder labels = new();
        foreach ((string name, object? tag) in tags)
        {
            labels.Append(CultureInfo.InvariantCulture, $"{(labels.Length > 0 ? "," : "")}{name}=\"{tag}\"");
        }

        lock (_lock)
        {
            string key = $"{instrument.Name}{{{labels}}}";
            if (!_series.TryGetValue(key, out Series? series))
            {
                _series.Add(key, series = new(instrument, labels.ToString()));
            }

            series.Add(value);
        }
    }

    private sealed class Series
    {
        private readonly string _labels;
        private readonly long[] _buckets = new long[Bounds.Length];
        private double _value;
        private long _count;

        public Series(Instrument instrument, string labels)
        {
            _labels = labels;
            Kind = instrument is Histogram<double> ? "histogram"
                : instrument is ObservableCounter<long> ? "counter"
                : "gauge";
            string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
            Name = instrument.Name.Replace('.', '_') + unit + (Kind == "counter" ? "_total" : "");
            Description = instrument.Description ?? "";
        }

        public string Name { get; }

        public string Description { get; }

        public string Kind { get; }

        public void Add(double value)
        {
            _count++;
            _value = Kind == "histogram" ? _value + value : value;
            int bucket = Array.FindIndex(Bounds, bound => value <= bound);
            if (bucket >= 0)
            {
                _buckets[bucket]++;
            }
        }

        public void Write(StringBuilder text)
        {
            string braces = _labels.Length > 0 ? $"{{{_labels}}}" : "";
            if (Kind != "histogram")
            {
                text.Append(CultureInfo.InvariantCulture, $"{Name}{braces} {_value}\n");
                return;
            }

            string before = _labels.Length > 0 ? $"{_labels}," : "";
            long sum = 0;
            for (int i = 0; i < Bounds.Length; i++)
            {
                sum += _buckets[i];
                text.Append(CultureInfo.InvariantCulture, $"{Name}_bucket{{{before}le=\"{Bounds[i]}\"}} {sum}\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{Name}_bucket{{{before}le=\"+Inf\"}} {_count}\n");
            text.Append(CultureInfo.InvariantCulture, $"{Name}_sum{braces} {_value}\n");
            text.Append(CultureInfo.InvariantCulture, $"{Name}_count{braces} {_count}\n");
        }
    }
}
