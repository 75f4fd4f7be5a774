namespace Mamba.Text.Templates;

/// <content>Statements.</content>
internal sealed partial class Parser
{
    // Up to the end, or up to a tag that begins with one of the names, which is not taken.
    private Statement Body(params string[] ends) => Nested<Statement>(() =>
    {
        List<Statement> statements = [];
        while (Current.Kind != TokenKind.End)
        {
            if (Current.Kind == TokenKind.BlockBegin && _tokens[_at + 1].Kind == TokenKind.Name &&
                ends.Contains(_tokens[_at + 1].Text))
            {
                break;
            }

            statements.Add(Statement());
        }

        if (Current.Kind == TokenKind.End && ends.Length > 0)
        {
            throw Unexpected($"{{% {ends[^1]} %}}");
        }

        return Sequence([.. statements]);
    });

    private static Statement Sequence(Statement[] statements) => r =>
    {
        foreach (Statement statement in statements)
        {
            if (statement(r) is var flow and not Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    };

    private Statement Statement()
    {
        Token token = Take();
        if (token.Kind == TokenKind.Data)
        {
            return r =>
            {
                r.At(token.Position);
                r.Write(token.Text);
                return Flow.Next;
            };
        }

        if (token.Kind == TokenKind.OutputBegin)
        {
            Expression value = Tuple();
            Expect(TokenKind.OutputEnd, "}}");
            return r =>
            {
                object? result = value(r);
                r.At(token.Position);
                r.Write(Values.ToText(result));
                return Flow.Next;
            };
        }

        string name = Name();
        return name switch
        {
            "for" => For(token.Position),
            "if" => If(),
            "set" => Set(),
            "macro" => Macro(),
            "with" => With(),
            "filter" => FilterBlock(token.Position),
            "generation" => Generation(),
            "break" or "continue" => Jump(name),
            "endfor" or "endif" or "else" or "elif" or "endset" or "endmacro" or "endwith" or "endfilter"
                or "endgeneration" or "endcall" or "endblock" =>
                throw new TemplateFault($"\"{name}\" without its beginning"),
            _ => throw TemplateFault.Unsupported($"the tag \"{name}\""),
        };
    }

    private void EndTag() => Expect(TokenKind.BlockEnd, "%}");

    // Takes {% name %} and tells the name.
    private string Closing()
    {
        Expect(TokenKind.BlockBegin, "{%");
        return Name();
    }

    private Statement If()
    {
        List<(Expression? Condition, Statement Body)> branches = [];
        Expression? condition = Tuple();
        while (true)
        {
            EndTag();
            branches.Add((condition, condition is null ? Body("endif") : Body("elif", "else", "endif")));
            string name = Closing();
            if (name == "endif")
            {
                EndTag();
                break;
            }

            condition = name == "elif" ? Tuple() : null;
        }

        return r =>
        {
            foreach ((Expression? holds, Statement body) in branches)
            {
                if (holds is null || Values.Truth(holds(r)))
                {
                    return body(r);
                }
            }

            return Flow.Next;
        };
    }

    private Statement For(Position position)
    {
        Action<Rendering, object?> target = Target();
        Expect(TokenKind.Name, "in");
        Expression source = ForSource();
        Expression? filter = TryName("if") ? Condition() : null;
        if (IsName("recursive"))
        {
            throw TemplateFault.Unsupported("a recursive loop");
        }

        EndTag();
        _loops++;
        Statement body = Body("else", "endfor");
        _loops--;
        Statement? otherwise = null;
        if (Closing() == "else")
        {
            EndTag();
            otherwise = Body("endfor");
            _ = Closing();
        }

        EndTag();
        return r =>
        {
            object? of = source(r);
            r.At(position);
            IReadOnlyList<object?> items = Values.Items(of);
            r.Create(items.Count);
            return Loop(r, filter is null ? items : Kept(r, items, target, filter), target, body, otherwise, position);
        };
    }

    // A tuple without brackets, and without the "if" that filters the items.
    private Expression ForSource()
    {
        Expression first = Or();
        if (!IsOperator(","))
        {
            return first;
        }

        List<Expression> items = [first];
        while (TryOperator(","))
        {
            items.Add(Or());
        }

        return r => Evaluated(r, items).ToArray();
    }

    private static List<object?> Kept(
        Rendering rendering, IReadOnlyList<object?> items, Action<Rendering, object?> target, Expression filter)
    {
        Scope outer = rendering.Scope;
        List<object?> kept = [];
        foreach (object? item in items)
        {
            rendering.Scope = new(outer);
            target(rendering, item);
            if (Values.Truth(filter(rendering)))
            {
                kept.Add(item);
            }
        }

        rendering.Scope = outer;
        return kept;
    }

    private static Flow Loop(
        Rendering rendering, IReadOnlyList<object?> items, Action<Rendering, object?> target, Statement body,
        Statement? otherwise, Position position)
    {
        Scope outer = rendering.Scope;
        Loop loop = new(items);
        Flow flow = Flow.Next;
        for (int i = 0; i < items.Count && flow != Flow.Break; i++)
        {
            rendering.At(position);
            loop.Index = i;
            rendering.Scope = new(outer) { ["loop"] = loop };
            target(rendering, items[i]);
            flow = body(rendering);
        }

        rendering.Scope = outer;
        return items.Count == 0 && otherwise is not null ? otherwise(rendering) : Flow.Next;
    }

    private Statement Jump(string name)
    {
        if (_loops == 0)
        {
            throw new TemplateFault($"\"{name}\" outside of a loop");
        }

        EndTag();
        Flow flow = name == "break" ? Flow.Break : Flow.Continue;
        return _ => flow;
    }

    // The names that an item is assigned to: a, or a, b, or (a, b), or space.member.
    private Action<Rendering, object?> Target()
    {
        List<Action<Rendering, object?>> targets = [];
        bool isTuple = false;
        do
        {
            if (targets.Count > 0 && (IsName("in") || IsOperator("=")))
            {
                break;
            }

            if (TryOperator("("))
            {
                targets.Add(Nested(Target));
                Expect(TokenKind.Operator, ")");
            }
            else
            {
                string name = Name();
                string? member = TryOperator(".") ? Name() : null;
                targets.Add(member is null
                    ? (r, value) => r.Scope[name] = value
                    : (r, value) => SetMember(r, name, member, value));
            }

            isTuple |= IsOperator(",");
        }
        while (TryOperator(","));

        return !isTuple ? targets[0] : (r, value) =>
        {
            IReadOnlyList<object?> items = Values.Items(value);
            if (items.Count != targets.Count)
            {
                throw new TemplateFault($"{targets.Count} names are given {items.Count} values");
            }

            for (int i = 0; i < targets.Count; i++)
            {
                targets[i](r, items[i]);
            }
        };
    }

    private static void SetMember(Rendering rendering, string name, string member, object? value)
    {
        if (rendering.Scope[name] is not Namespace space)
        {
            throw new TemplateFault($"\"{name}\" is no namespace, so its members cannot be set");
        }

        space.Members[member] = value;
    }

    private Statement Set()
    {
        Position position = Current.Position;
        Action<Rendering, object?> target = Target();
        if (TryOperator("="))
        {
            Expression value = Tuple();
            EndTag();
            return r =>
            {
                object? result = value(r);
                r.At(position);
                target(r, result);
                return Flow.Next;
            };
        }

        List<Func<Rendering, object?, object?>> filters = []; // {% set x | upper %}
        while (Current.Position is var place && TryOperator("|"))
        {
            filters.Add(Filter(place));
        }

        EndTag();
        Statement body = Body("endset");
        _ = Closing();
        EndTag();
        return r =>
        {
            string text = Captured(r, body);
            target(r, Chain(_ => text, filters)(r));
            return Flow.Next;
        };
    }

    private Statement FilterBlock(Position position)
    {
        Func<Rendering, object?, object?> filter = Filter(position);
        EndTag();
        Statement body = Body("endfilter");
        _ = Closing();
        EndTag();
        return r =>
        {
            string text = Captured(r, body);
            r.Write(Values.ToText(filter(r, text)));
            return Flow.Next;
        };
    }

    private static string Captured(Rendering rendering, Statement body) => rendering.Capture(() =>
    {
        Scope outer = rendering.Scope;
        rendering.Scope = new(outer);
        _ = body(rendering);
        rendering.Scope = outer;
    });

    private Statement With()
    {
        List<(Action<Rendering, object?> Target, Expression Value)> variables = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0)
            {
                Expect(TokenKind.Operator, ",");
            }

            string name = Name();
            Expect(TokenKind.Operator, "=");
            variables.Add(((r, value) => r.Scope[name] = value, Condition()));
        }

        EndTag();
        Statement body = Body("endwith");
        _ = Closing();
        EndTag();
        return r =>
        {
            Scope outer = r.Scope;
            object?[] values = [.. variables.Select(variable => variable.Value(r))];
            r.Scope = new(outer);
            for (int i = 0; i < values.Length; i++)
            {
                variables[i].Target(r, values[i]);
            }

            Flow flow = body(r);
            r.Scope = outer;
            return flow;
        };
    }

    // Marks what the model has said, for training; it changes no text.
    private Statement Generation()
    {
        EndTag();
        Statement body = Body("endgeneration");
        _ = Closing();
        EndTag();
        return body;
    }

    private Statement Macro()
    {
        string name = Name();
        List<(string Name, Expression? Value)> parameters = [];
        Expect(TokenKind.Operator, "(");
        while (!TryOperator(")"))
        {
            if (parameters.Count > 0)
            {
                Expect(TokenKind.Operator, ",");
            }

            string parameter = Name();
            parameters.Add((parameter, TryOperator("=") ? Condition() : null));
        }

        EndTag();
        int loops = _loops;
        _loops = 0;
        Statement body = Body("endmacro");
        _loops = loops;
        _ = Closing();
        EndTag();
        return r =>
        {
            Scope outer = r.Scope;
            outer[name] = (TemplateFunction)((rendering, arguments) => Run(rendering, arguments, outer));
            return Flow.Next;
        };

        object? Run(Rendering rendering, Arguments arguments, Scope outer)
        {
            Scope caller = rendering.Scope;
            Scope inner = new(outer);
            rendering.Enter();
            string text = rendering.Capture(() =>
            {
                rendering.Scope = inner;
                object absent = new();
                foreach ((string parameter, Expression? value) in parameters)
                {
                    object? given = arguments.Next(parameter, absent);
                    inner[parameter] = !ReferenceEquals(given, absent) ? given
                        : value is not null ? value(rendering)
                        : new Undefined($"the parameter \"{parameter}\", which is not given,");
                }

                arguments.End();
                _ = body(rendering);
            });
            rendering.Leave();
            rendering.Scope = caller;
            return text;
        }
    }
}
