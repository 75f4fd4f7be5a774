using System.Globalization;

namespace Mamba.Text.Templates;

/// <content>Expressions, from the loosest operator to the tightest.</content>
internal sealed partial class Parser
{
    private static readonly string[] _comparisons = ["==", "!=", "<=", ">=", "<", ">"];

    // a, b, c without brackets is a tuple.
    private Expression Tuple()
    {
        Expression first = Condition();
        if (!IsOperator(","))
        {
            return first;
        }

        List<Expression> items = [first];
        while (TryOperator(",") && StartsExpression())
        {
            items.Add(Condition());
        }

        return r => Evaluated(r, items).ToArray();
    }

    private bool StartsExpression() =>
        Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float ||
        (Current.Kind == TokenKind.Operator && Current.Text is ("(" or "[" or "{" or "-" or "+"));

    private Expression Condition() => Nested<Expression>(() =>
    {
        Expression value = Or();
        if (!TryName("if"))
        {
            return value;
        }

        Expression condition = Or();
        Expression? otherwise = TryName("else") ? Condition() : null;
        return r => Values.Truth(condition(r)) ? value(r)
            : otherwise is null ? new Undefined("an \"if\" without \"else\" that does not hold")
            : otherwise(r);
    });

    private Expression Or() => FirstThatIs(true, "or", And);

    private Expression And() => FirstThatIs(false, "and", Not);

    // Chains are lists, not expressions in each other: a chain of thousands must not take a stack of thousands.
    private Expression FirstThatIs(bool truth, string name, Func<Expression> operand)
    {
        List<Expression> operands = [operand()];
        while (TryName(name))
        {
            operands.Add(operand());
        }

        return operands.Count == 1 ? operands[0] : r =>
        {
            object? value = null;
            foreach (Expression next in operands)
            {
                value = next(r);
                if (Values.Truth(value) == truth)
                {
                    break;
                }
            }

            return value;
        };
    }

    private Expression Not()
    {
        if (!TryName("not"))
        {
            return Comparison();
        }

        Expression value = Nested(Not);
        return r => !Values.Truth(value(r));
    }

    // a < b < c holds if both do.
    private Expression Comparison()
    {
        Expression first = Sum();
        List<(string Name, Expression Right, Position Position)> rest = [];
        while (ComparisonName() is { } name)
        {
            Position position = Current.Position;
            rest.Add((name, Sum(), position));
        }

        return rest.Count == 0 ? first : r =>
        {
            object? left = first(r);
            foreach ((string name, Expression next, Position position) in rest)
            {
                object? right = next(r);
                r.At(position);
                if (!Operators.Holds(name, left, right))
                {
                    return false;
                }

                left = right;
            }

            return true;
        };
    }

    private bool IsComparison =>
        Current.Kind == TokenKind.Operator && Array.IndexOf(_comparisons, Current.Text) >= 0;

    private string? ComparisonName()
    {
        if (TryName("in"))
        {
            return "in";
        }

        if (IsName("not") && _tokens[_at + 1].Is(TokenKind.Name, "in"))
        {
            _at += 2;
            return "not in";
        }

        return IsComparison ? Take().Text : null;
    }

    private Expression Sum() => Binary(Concatenation, "+", "-");

    private Expression Concatenation() => Binary(Product, "~");

    private Expression Product() => Binary(Power, "*", "/", "//", "%");

    private Expression Power() => Binary(() => Unary(), "**");

    private Expression Binary(Func<Expression> operand, params string[] names)
    {
        Expression first = operand();
        List<(Token Operator, Expression Right)> rest = [];
        while (Current.Kind == TokenKind.Operator && names.Contains(Current.Text))
        {
            rest.Add((Take(), operand()));
        }

        return rest.Count == 0 ? first : r =>
        {
            object? left = first(r);
            foreach ((Token token, Expression next) in rest)
            {
                object? right = next(r);
                r.At(token.Position);
                left = Operators.Apply(r, token.Text, left, right);
            }

            return left;
        };
    }

    private Expression Unary(bool withFilters = true)
    {
        if (IsOperator("-") || IsOperator("+"))
        {
            Token sign = Take();
            Expression operand = Nested(() => Unary(withFilters: false));
            Expression signed = r =>
            {
                object? value = operand(r);
                r.At(sign.Position);
                return sign.Text == "-" ? Operators.Negative(value)
                    : Values.IsNumber(value) ? value
                    : Values.Integer(value);
            };
            return withFilters ? Filtered(signed) : signed;
        }

        Expression primary = Postfix(Primary());
        return withFilters ? Filtered(primary) : primary;
    }

    private Expression Primary()
    {
        Token token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return NameOrConstant(token);
            case TokenKind.String:
                string text = token.Text;
                while (Current.Kind == TokenKind.String)
                {
                    text += Take().Text;
                }

                return _ => text;
            case TokenKind.Integer:
                return long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long integer)
                    ? _ => integer
                    : throw TemplateFault.Unsupported("an integer of more than 64 bits");
            case TokenKind.Float:
                double number = double.Parse(token.Text, CultureInfo.InvariantCulture);
                return _ => number;
            case TokenKind.Operator when token.Text == "(":
                return Parenthesized();
            case TokenKind.Operator when token.Text == "[":
                List<Expression> items = Items("]");
                return r => Evaluated(r, items);
            case TokenKind.Operator when token.Text == "{":
                return Dictionary();
            default:
                _at--;
                throw Unexpected("an expression");
        }
    }

    private static Expression NameOrConstant(Token token)
    {
        string name = token.Text;
        return name switch
        {
            "true" or "True" => _ => true,
            "false" or "False" => _ => false,
            "none" or "None" => _ => null,
            _ => r =>
            {
                r.At(token.Position);
                return r.Scope[name];
            },
        };
    }

    private Expression Parenthesized()
    {
        if (TryOperator(")"))
        {
            return _ => Array.Empty<object?>();
        }

        Expression inner = Tuple();
        Expect(TokenKind.Operator, ")");
        return inner;
    }

    private List<Expression> Items(string close)
    {
        List<Expression> items = [];
        while (!TryOperator(close))
        {
            if (items.Count > 0)
            {
                Expect(TokenKind.Operator, ",");
                if (TryOperator(close))
                {
                    break;
                }
            }

            items.Add(Condition());
        }

        return items;
    }

    private Expression Dictionary()
    {
        List<(Expression Key, Expression Value)> items = [];
        while (!TryOperator("}"))
        {
            if (items.Count > 0)
            {
                Expect(TokenKind.Operator, ",");
                if (TryOperator("}"))
                {
                    break;
                }
            }

            Expression key = Condition();
            Expect(TokenKind.Operator, ":");
            items.Add((key, Condition()));
        }

        return r =>
        {
            r.Create(items.Count);
            TemplateMap map = new();
            foreach ((Expression key, Expression value) in items)
            {
                map.Set(key(r), value(r));
            }

            return map;
        };
    }

    private static List<object?> Evaluated(Rendering rendering, List<Expression> items)
    {
        rendering.Create(items.Count);
        List<object?> values = new(items.Count);
        foreach (Expression item in items)
        {
            values.Add(item(rendering));
        }

        return values;
    }

    private Expression Postfix(Expression value)
    {
        List<Func<Rendering, object?, object?>> steps = [];
        while (true)
        {
            Position position = Current.Position;
            if (TryOperator("."))
            {
                steps.Add(Member(position));
            }
            else if (TryOperator("["))
            {
                steps.Add(Subscript(position));
            }
            else if (IsOperator("("))
            {
                steps.Add(Call(position));
            }
            else
            {
                return Chain(value, steps);
            }
        }
    }

    private static Expression Chain(Expression value, List<Func<Rendering, object?, object?>> steps) =>
        steps.Count == 0 ? value : r =>
        {
            object? result = value(r);
            foreach (Func<Rendering, object?, object?> step in steps)
            {
                result = step(r, result);
            }

            return result;
        };

    private Func<Rendering, object?, object?> Member(Position position)
    {
        if (Current.Kind == TokenKind.Integer)
        {
            long index = long.TryParse(Take().Text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? number
                : throw TemplateFault.Unsupported("an integer of more than 64 bits");
            return (r, value) =>
            {
                r.At(position);
                return Members.Item(value, index);
            };
        }

        string name = Name();
        return (r, value) =>
        {
            r.At(position);
            return Members.Attribute(value, name);
        };
    }

    private Func<Rendering, object?, object?> Subscript(Position position)
    {
        Expression? start = IsOperator(":") ? null : Tuple();
        if (!IsOperator(":"))
        {
            Expect(TokenKind.Operator, "]");
            return (r, value) =>
            {
                object? key = start!(r);
                r.At(position);
                return Members.Item(value, key);
            };
        }

        _ = Take();
        Expression? stop = IsOperator(":") || IsOperator("]") ? null : Condition();
        Expression? step = TryOperator(":") && !IsOperator("]") ? Condition() : null;
        Expect(TokenKind.Operator, "]");
        return (r, value) =>
        {
            (object? from, object? to, object? by) = (start?.Invoke(r), stop?.Invoke(r), step?.Invoke(r));
            r.At(position);
            return Members.Slice(r, value, from, to, by);
        };
    }

    private Func<Rendering, object?, object?> Call(Position position)
    {
        Func<Rendering, string, Arguments> arguments = CallArguments();
        return (r, value) =>
        {
            r.At(position);
            if (value is not TemplateFunction run)
            {
                throw new TemplateFault($"{Values.Kind(value)} is no function");
            }

            Arguments with = arguments(r, "the function");
            r.At(position);
            return run(r, with);
        };
    }

    private Func<Rendering, string, Arguments> CallArguments()
    {
        List<Expression> positional = [];
        List<(string Name, Expression Value)> named = [];
        Expect(TokenKind.Operator, "(");
        while (!TryOperator(")"))
        {
            if (positional.Count + named.Count > 0)
            {
                Expect(TokenKind.Operator, ",");
                if (TryOperator(")"))
                {
                    break;
                }
            }

            if (IsOperator("*") || IsOperator("**"))
            {
                throw TemplateFault.Unsupported($"\"{Current.Text}\" before an argument");
            }

            if (Current.Kind == TokenKind.Name && _tokens[_at + 1].Is(TokenKind.Operator, "="))
            {
                string name = Take().Text;
                _at++;
                named.Add((name, Condition()));
            }
            else if (named.Count > 0)
            {
                throw Unexpected("a named argument");
            }
            else
            {
                positional.Add(Condition());
            }
        }

        return (r, function) =>
        {
            Dictionary<string, object?> names = [];
            List<object?> values = Evaluated(r, positional);
            foreach ((string name, Expression value) in named)
            {
                names[name] = value(r);
            }

            return new(function, values, names);
        };
    }

    private Expression Filtered(Expression value)
    {
        List<Func<Rendering, object?, object?>> steps = [];
        while (true)
        {
            Position position = Current.Position;
            if (TryOperator("|"))
            {
                steps.Add(Filter(position));
            }
            else if (TryName("is"))
            {
                steps.Add(Test(position));
            }
            else if (IsOperator("("))
            {
                steps.Add(Call(position));
            }
            else
            {
                return Chain(value, steps);
            }
        }
    }

    private Func<Rendering, object?, object?> Filter(Position position)
    {
        string name = DottedName();
        Func<Rendering, object?, Arguments, object?> filter = Filters.Find(name);
        Func<Rendering, string, Arguments>? arguments = IsOperator("(") ? CallArguments() : null;
        return (r, value) =>
        {
            Arguments with = arguments?.Invoke(r, name) ?? new(name, [], []);
            r.At(position);
            return filter(r, value, with);
        };
    }

    private Func<Rendering, object?, object?> Test(Position position)
    {
        bool isNegated = TryName("not");
        string name = IsComparison ? Take().Text : DottedName();
        Func<object?, Arguments, bool> test = Tests.Find(name);
        Func<Rendering, string, Arguments>? arguments = IsOperator("(") ? CallArguments() : TestArgument();
        return (r, value) =>
        {
            Arguments with = arguments?.Invoke(r, name) ?? new(name, [], []);
            r.At(position);
            return test(value, with) != isNegated;
        };
    }

    // One argument needs no parentheses: x is divisibleby 3.
    private Func<Rendering, string, Arguments>? TestArgument()
    {
        bool isArgument = Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float ||
            IsOperator("[") || IsOperator("{") ||
            (Current.Kind == TokenKind.Name &&
                Current.Text is not ("else" or "or" or "and" or "if" or "is" or "in" or "not"));
        if (!isArgument)
        {
            return null;
        }

        Expression argument = Postfix(Primary());
        return (r, test) => new(test, [argument(r)], []);
    }

    private string DottedName()
    {
        string name = Name();
        while (TryOperator("."))
        {
            name += "." + Name();
        }

        return name;
    }
}
