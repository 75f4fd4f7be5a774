using System.Numerics;
using Mamba.Memory;
using Mamba.Operations;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    /// <summary>The inputs of a scan by token, state and channel; for real numbers the imaginary part is 0.</summary>
    private sealed class ScanReader(ScanInputs inputs, ScanSizes sizes)
    {
        private readonly CouplingView _b = new(inputs.B, inputs.HasConstantB, sizes);
        private readonly CouplingView _c = new(inputs.C, inputs.HasConstantC, sizes);
        private readonly StateView _a = new(inputs.GivenA, sizes, isShared: true);

        /// <summary>2 for complex states, because y = 2·Re(C·h).</summary>
        public double Weight => sizes.IsComplex ? 2 : 1;

        public double X(int token, int channel) => ViewOf(inputs.X)[token, channel];

        public double D(int channel) => inputs.D.Exists ? ViewOf(inputs.D)[channel] : 0;

        public Complex A(int state, int channel)
        {
            Complex a = _a[0, state, channel];
            return inputs.IsALog ? new(-Math.Exp(a.Real), a.Imaginary) : a;
        }

        public Complex B(int token, int state, int channel) => _b[token, state, channel];

        public Complex C(int token, int state, int channel) => _c[token, state, channel];

        public double Delta(int token, int channel) =>
            inputs.Softplus ? DoubleMath.Softplus(RawDelta(token, channel)) : RawDelta(token, channel);

        public double DeltaSlope(int token, int channel) =>
            inputs.Softplus ? Sigmoid(RawDelta(token, channel)) : 1;

        public double Gate(int token, int channel) =>
            inputs.Z.Exists ? Z(token, channel) * Sigmoid(Z(token, channel)) : 1;

        public double GateSlope(int token, int channel)
        {
            double s = inputs.Z.Exists ? Sigmoid(Z(token, channel)) : 0;
            return inputs.Z.Exists ? s * (1 + (Z(token, channel) * (1 - s))) : 0;
        }

        public Complex[] InitialState(int sequence, int channel) =>
            inputs.InitialState.Exists
                ? new StateView(inputs.InitialState, sizes).Get(sequence, channel)
                : new Complex[sizes.States];

        /// <summary>h ← exp(Δ·A)·h + Δ·B·x</summary>
        public void Advance(int token, int channel, Complex[] h)
        {
            double delta = Delta(token, channel), x = X(token, channel);
            for (int n = 0; n < h.Length; n++)
            {
                h[n] = (Complex.Exp(delta * A(n, channel)) * h[n]) + (delta * B(token, n, channel) * x);
            }
        }

        /// <summary>y = C·h + D·x, before the gate.</summary>
        public double Output(int token, int channel, Complex[] h)
        {
            double y = D(channel) * X(token, channel);
            for (int n = 0; n < h.Length; n++)
            {
                y += Weight * (C(token, n, channel) * h[n]).Real;
            }

            return y;
        }

        private double Z(int token, int channel) => ViewOf(inputs.Z)[token, channel];

        private double RawDelta(int token, int channel) =>
            ViewOf(inputs.Delta)[token, channel] + (inputs.DeltaBias.Exists ? ViewOf(inputs.DeltaBias)[channel] : 0);
    }

    /// <summary>Adds to the gradients of a scan, except absent ones.</summary>
    private sealed class ScanWriter(ScanInputs inputs, ScanInputs gradients, ScanSizes sizes)
    {
        public void X(int token, int channel, double value) => Add(gradients.X, token, channel, value);

        public void Delta(int token, int channel, double value)
        {
            Add(gradients.Delta, token, channel, value);
            Add(gradients.DeltaBias, 0, channel, value);
        }

        public void Z(int token, int channel, double value) => Add(gradients.Z, token, channel, value);

        public void D(int channel, double value) => Add(gradients.D, 0, channel, value);

        public void A(int state, int channel, Complex a, Complex value) =>
            new StateView(gradients.GivenA, sizes, isShared: true).Add(
                0, state, channel, inputs.IsALog ? new(value.Real * a.Real, value.Imaginary) : value);

        public void B(int token, int state, int channel, Complex value) =>
            new CouplingView(gradients.B, inputs.HasConstantB, sizes).Add(token, state, channel, value);

        public void C(int token, int state, int channel, Complex value) =>
            new CouplingView(gradients.C, inputs.HasConstantC, sizes).Add(token, state, channel, value);

        public void InitialState(int sequence, int channel, Complex[] values)
        {
            for (int n = 0; n < values.Length; n++)
            {
                new StateView(gradients.InitialState, sizes).Add(sequence, n, channel, values[n]);
            }
        }

        private static void Add(DeviceArray array, int row, int column, double value)
        {
            if (array.Exists)
            {
                ViewOf(array)[row, column] += value;
            }
        }
    }

    /// <summary>An array of states, [sequences, states, channels] or [sequences, 2, states, channels], or A.</summary>
    private readonly struct StateView(DeviceArray array, ScanSizes sizes, bool isShared = false)
    {
        private readonly View _view = ViewOf(array);

        public Complex this[int sequence, int state, int channel] =>
            sizes.IsComplex
                ? new Complex(_view[Row(sequence, state), channel], _view[Row(sequence, state) + sizes.States, channel])
                : _view[Row(sequence, state), channel];

        public void Add(int sequence, int state, int channel, Complex value)
        {
            if (!_view.Exists)
            {
                return;
            }

            _view[Row(sequence, state), channel] += value.Real;
            if (sizes.IsComplex)
            {
                _view[Row(sequence, state) + sizes.States, channel] += value.Imaginary;
            }
        }

        public Complex[] Get(int sequence, int channel)
        {
            StateView self = this;
            return [.. Enumerable.Range(0, sizes.States).Select(n => self[sequence, n, channel])];
        }

        public void Set(int sequence, int channel, Complex[] values)
        {
            for (int n = 0; n < values.Length; n++)
            {
                _view[Row(sequence, n), channel] = values[n].Real;
                if (sizes.IsComplex)
                {
                    _view[Row(sequence, n) + sizes.States, channel] = values[n].Imaginary;
                }
            }
        }

        private int Row(int sequence, int state) =>
            isShared ? state : (sizes.Sequences.Slot(sequence) * sizes.StateRows) + state;
    }

    /// <summary>B or C, or its gradient.</summary>
    private readonly struct CouplingView(DeviceArray array, bool constant, ScanSizes sizes)
    {
        private readonly View _view = ViewOf(array);

        public Complex this[int token, int state, int channel]
        {
            get
            {
                if (constant)
                {
                    return new StateView(array, sizes, isShared: true)[0, state, channel];
                }

                int column = Column(state, channel);
                return sizes.IsComplex
                    ? new Complex(_view[token, column], _view[token, column + 1])
                    : _view[token, column];
            }
        }

        public void Add(int token, int state, int channel, Complex value)
        {
            if (constant)
            {
                new StateView(array, sizes, isShared: true).Add(0, state, channel, value);
            }
            else if (_view.Exists)
            {
                int column = Column(state, channel);
                _view[token, column] += value.Real;
                if (sizes.IsComplex)
                {
                    _view[token, column + 1] += value.Imaginary;
                }
            }
        }

        /// <summary>Channel c reads group c / (channels / groups).</summary>
        private int Column(int state, int channel) =>
            ((channel / (sizes.Channels / sizes.Groups) * sizes.States) + state) * sizes.Parts;
    }
}
