"""Mistakes made by rule: the source of a function with one thing changed at a time, as a learner might get it wrong.

`OPERATORS` is the table of the rules. Most rules are rows of a pattern and what may stand in its place.
"""

from __future__ import annotations

import ast
import copy
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source with one thing changed.

    Attributes:
        line: where in the original.
        was, now: the code there before and after.
        source: the whole text after the change.
        operator: the name of the rule in `OPERATORS`.
    """

    line: int
    was: str
    now: str
    source: str
    operator: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.was} -> {self.now}"


def mutants(source: str) -> Iterator[Mutant]:
    """Yield each mutant of a source once, in the order of its lines and of `OPERATORS`.

    Signatures, decorators, annotations and error messages stay as they are.
    """
    tree = ast.parse(source)
    known = {ast.unparse(tree)}
    for site in _sites(tree, ()):
        for name, operator in OPERATORS.items():
            for text in operator(site):
                change = _parsed(text, site.node)
                changed = _changed(tree, site, change)
                if changed not in known:
                    known.add(changed)
                    yield Mutant(site.line, _short([site.node]), _short(change), changed, name)


def per_operator(source: str) -> dict[str, int]:
    """Return how many mutants of a source each operator makes."""
    found = Counter(mutant.operator for mutant in mutants(source))
    return {name: found[name] for name in OPERATORS}


@contextmanager
def without_end(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the main thread if the block takes longer; only on POSIX, and not inside compiled code."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again and again, for code that catches every error
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


Function = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Site:
    """A place in a tree.

    Attributes:
        node: what stands there.
        field: of the parent, where it stands.
        above: the nodes around it, outermost first.
    """

    node: ast.stmt | ast.expr
    field: str
    above: tuple[ast.AST, ...]

    @property
    def line(self) -> int:
        """Return the line in the source."""
        return self.node.lineno

    @property
    def parent(self) -> ast.AST:
        """Return the node right around it."""
        return self.above[-1]

    @property
    def functions(self) -> list[Function]:
        """Return the functions around it, outermost first."""
        return [node for node in self.above if isinstance(node, Function)]

    @property
    def rule(self) -> Function | None:
        """Return the innermost function around it if that is a gradient rule: nested, of one argument."""
        inner = self.functions[1:]
        return inner[-1] if inner and len(_parameters(inner[-1])) == 1 else None

    @property
    def result_of_a_rule(self) -> bool:
        """Return whether this is what a gradient rule written with lambda gives."""
        return isinstance(self.parent, ast.Lambda) and self.parent is self.rule and self.field == "body"

    @property
    def arrays(self) -> list[str]:
        """Return the parameters in reach that can be arrays, as far as annotations and defaults tell."""
        return list(dict.fromkeys(name for function in self.functions for name in _arrays(function)))


Operator = Callable[[Site], Iterator[str]]
"""A rule: what may stand in the place of a node, as code."""

LEFT_ALONE = {
    (ast.FunctionDef, "args"),
    (ast.FunctionDef, "returns"),
    (ast.FunctionDef, "decorator_list"),
    (ast.AnnAssign, "annotation"),
    (ast.Raise, "exc"),
    (ast.Raise, "cause"),
    (ast.Assert, "msg"),
    (ast.JoinedStr, "values"),
}


def _sites(parent: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[Site]:
    inside = (*above, parent)
    for field, value in ast.iter_fields(parent):
        if (type(parent), field) in LEFT_ALONE:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.stmt | ast.expr):
                yield Site(child, field, inside)
            if isinstance(child, ast.AST):
                yield from _sites(child, inside)


def _parsed(text: str, node: ast.stmt | ast.expr) -> list[ast.stmt] | list[ast.expr]:
    if isinstance(node, ast.stmt):
        return ast.parse(text).body
    index = ast.parse(f"_[{text}]", mode="eval").body  # the one place where slices may stand as well
    assert isinstance(index, ast.Subscript)
    return [index.slice]


def _changed(tree: ast.Module, site: Site, change: list[ast.stmt] | list[ast.expr]) -> str:
    """Return the source with the change; the tree itself is whole again afterwards."""
    before = getattr(site.parent, site.field)
    after: object = change[0]
    if isinstance(before, list):
        at = next(i for i, node in enumerate(before) if node is site.node)
        after = [*before[:at], *change, *before[at + 1 :]]
    setattr(site.parent, site.field, after)
    try:
        return ast.unparse(tree)
    finally:
        setattr(site.parent, site.field, before)


def _short(nodes: list[ast.stmt] | list[ast.expr] | list[ast.stmt | ast.expr]) -> str:
    """Return code in one line: of each statement the first line."""
    texts = [ast.unparse(node) for node in nodes]
    return "; ".join(first + " ..." * bool(rest) for first, _, rest in (text.partition("\n") for text in texts))


def _parameters(function: Function) -> list[ast.arg]:
    """Return the parameters, less self."""
    arguments = function.args
    return [a for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg != "self"]


def _arrays(function: Function) -> list[str]:
    """Return the parameters that are annotated as arrays, and those with neither annotation nor default."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = positional[len(positional) - len(arguments.defaults) :] + arguments.kwonlyargs
    return [
        a.arg
        for a in _parameters(function)
        if (a.annotation is None and a not in optional)
        or (a.annotation is not None and re.match(r"(?i)(?!Callable).*(array|sequence)", ast.unparse(a.annotation)))
    ]


def _has_rules(function: Function) -> bool:
    return any(isinstance(node, Function) and node is not function for node in ast.walk(function))


def _called(node: ast.AST) -> str:
    """Return the last part of the name of the function that is called here, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _text(node: ast.AST) -> str:
    """Return the code of an expression, safe to be put beside any operator."""
    return f"({ast.unparse(node)})"


# Rules with a pattern. A capital letter stands for any expression.


def patterns(*rows: tuple[str, ...]) -> Operator:
    """Return the rule that replaces code like the first of a row by each of the others."""
    parsed = [(_pattern(first), others) for first, *others in rows]

    def operator(site: Site) -> Iterator[str]:
        for pattern, others in parsed:
            found: dict[str, str] = {}
            if _fits(pattern, site.node, found):
                for other in others:
                    yield _filled(other, found)

    return operator


def _pattern(text: str) -> ast.AST:
    statement = ast.parse(text).body[0]
    return statement.value if isinstance(statement, ast.Expr) else statement


def _filled(text: str, found: dict[str, str]) -> str:
    return re.sub(r"\b[A-Z]\b", lambda letter: found[letter.group()], text)


def _fits(pattern: object, node: object, found: dict[str, str]) -> bool:
    """Return whether code fits a pattern, and note in `found` what each letter stands for."""
    if isinstance(pattern, ast.Name) and re.fullmatch("[A-Z]", pattern.id):
        if not isinstance(node, ast.expr) or isinstance(node, ast.Starred | ast.Slice):
            return False
        return found.setdefault(pattern.id, _text(node)) == _text(node)
    if isinstance(pattern, list) and isinstance(node, list):
        return len(pattern) == len(node) and all(_fits(p, n, found) for p, n in zip(pattern, node, strict=True))
    if isinstance(pattern, ast.expr_context):
        return True
    if isinstance(pattern, ast.AST) and type(pattern) is type(node):
        return all(_fits(value, getattr(node, name, None), found) for name, value in ast.iter_fields(pattern))
    return type(pattern) is type(node) and pattern == node


# Rules that need more than a pattern.


def comparison(site: Site) -> Iterator[str]:
    """Compare with a neighbouring sign; each one of a chain."""
    if isinstance(site.node, ast.Compare):
        for at, sign in enumerate(site.node.ops):
            for other in NEIGHBOURS[type(sign)]:
                changed = copy.copy(site.node)
                changed.ops = [*site.node.ops[:at], other(), *site.node.ops[at + 1 :]]
                yield ast.unparse(changed)


NEIGHBOURS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


def logic(site: Site) -> Iterator[str]:
    """Take `or` for `and`, and leave out each of the conditions."""
    if isinstance(site.node, ast.BoolOp):
        texts = [_text(value) for value in site.node.values]
        sign, other = (" and ", " or ") if isinstance(site.node.op, ast.And) else (" or ", " and ")
        yield other.join(texts)
        for at in range(len(texts)):
            yield sign.join(texts[:at] + texts[at + 1 :])


def condition(site: Site) -> Iterator[str]:
    """Do something always, and never."""
    if (isinstance(site.parent, ast.If | ast.While) and site.field == "test") or site.field == "ifs":
        yield "True"
        yield "False"


def constant(site: Site) -> Iterator[str]:
    """Take another number near by, or the other truth value."""
    value = site.node.value if isinstance(site.node, ast.Constant) else None
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        yield str(value + 1)
        if value == 1:
            yield "0"
    elif isinstance(value, float):
        yield repr(2 * value)
        yield "0.0"


def subscripts(site: Site) -> Iterator[str]:
    """Swap two neighbouring letters of a text such as "ij,jk->ik"."""
    value = site.node.value if isinstance(site.node, ast.Constant) else None
    if isinstance(value, str) and re.fullmatch(r"[a-z.]+(,[a-z.]+)*(->[a-z.]*)?", value) and re.search(",|->", value):
        for pair in re.finditer("(?=([a-z])([a-z]))", value):
            yield repr(value[: pair.start()] + pair[2] + pair[1] + value[pair.start() + 2 :])


def dropped_statement(site: Site) -> Iterator[str]:
    """Leave out a statement. For `if` there is `condition`, and a function that is missing is no puzzle."""
    if not isinstance(site.node, ast.stmt) or isinstance(site.node, ast.If | ast.FunctionDef | ast.Pass):
        return
    left = [node for node in getattr(site.parent, site.field) if node is not site.node and not _is_docstring(node)]
    if site.functions and not _is_docstring(site.node) and (left or not isinstance(site.parent, ast.FunctionDef)):
        yield "pass"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def another_error(site: Site) -> Iterator[str]:
    """Raise an error that nobody asks for."""
    if isinstance(site.node, ast.Raise):
        yield "raise ArithmeticError"


def item(site: Site) -> Iterator[str]:
    """Add to an item instead of setting it."""
    if isinstance(site.node, ast.Assign) and isinstance(site.node.targets[0], ast.Subscript):
        yield f"{ast.unparse(site.node.targets[0])} += {ast.unparse(site.node.value)}"


REDUCTIONS = {"argmax", "argmin", "cumsum", "max", "mean", "min", "std", "sum", "var"}
ENTRYWISE = {"abs", "clip", "exp", "log", "maximum", "minimum", "round", "sign", "sqrt", "square"}
SHAPES = {"broadcast_to", "expand_dims", "pad", "ravel", "reshape", "squeeze", "swapaxes", "transpose", "unbroadcast"}
COPIES = {"array", "asarray", "ascontiguousarray", "astype", "copy"}
MODULES = {"kernels", "math", "np"}
NEEDED = {"len", "range", "prange"}
ANY_ORDER = {"add", "array_equal", "isclose", "max", "maximum", "min", "minimum", "multiply", "result_type"}


def dropped_call(site: Site) -> Iterator[str]:
    """Leave out a function: take what it is given. A call that is a statement is left out as one."""
    call, name = site.node, _called(site.node)
    if not isinstance(call, ast.Call) or isinstance(site.parent, ast.Expr) or name in NEEDED:
        return
    known = name in REDUCTIONS | ENTRYWISE | SHAPES | COPIES
    if known and isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) not in MODULES:
        yield ast.unparse(call.func.value)
    elif known or len(call.args) + len(call.keywords) == 1:
        yield from (ast.unparse(given) for given in call.args[:1] if not isinstance(given, ast.Starred))


def swapped_arguments(site: Site) -> Iterator[str]:
    """Give the first two arguments the other way round."""
    if isinstance(site.node, ast.Call) and len(site.node.args) > 1 and _called(site.node) not in ANY_ORDER:
        first, second, *others = site.node.args
        yield _call(site.node, [second, first, *others], site.node.keywords)


def axis(site: Site) -> Iterator[str]:
    """Take another axis, given by its name or by its place in a reduction."""
    if not isinstance(site.parent, ast.keyword | ast.Call):
        return
    named = isinstance(site.parent, ast.keyword) and site.parent.arg == "axis"
    place = isinstance(site.parent, ast.Call) and _called(site.parent) in REDUCTIONS
    if named or (place and site.field == "args" and re.fullmatch(r"-?\d", ast.unparse(site.node))):
        yield from ("0", "1", "-1", "None")


def dtype(site: Site) -> Iterator[str]:
    """Take float64 for a dtype that is given by name."""
    if isinstance(site.parent, ast.keyword) and site.parent.arg == "dtype":
        yield "np.float64"


def keyword(site: Site) -> Iterator[str]:
    """Leave out an argument that is given by name."""
    if isinstance(site.node, ast.Call):
        for at, given in enumerate(site.node.keywords):
            if given.arg not in (None, "strict", "copy"):
                yield _call(site.node, site.node.args, site.node.keywords[:at] + site.node.keywords[at + 1 :])


def _call(call: ast.Call, args: list[ast.expr], keywords: list[ast.keyword]) -> str:
    return ast.unparse(ast.Call(call.func, args, keywords))


def result(site: Site) -> Iterator[str]:
    """Return the result in another precision or with the other sign: each of a tuple, but not the gradient rules."""
    returned = isinstance(site.parent, ast.Return) and not isinstance(site.node, ast.Tuple)
    if len(site.above) > 1 and isinstance(site.above[-2], ast.Return) and isinstance(site.parent, ast.Tuple):
        returned = site.node is site.parent.elts[0] or not _has_rules(site.functions[0])
    number = not isinstance(site.node, ast.Constant | ast.JoinedStr | ast.Starred | Function)
    if number and (returned or site.result_of_a_rule):
        yield f"np.float64(1) * {_text(site.node)}"
        yield f"np.asarray({ast.unparse(site.node)}, np.float32)"
        yield f"-{_text(site.node)}"


def parameter(site: Site) -> Iterator[str]:
    """Use the gradient or an input distorted, or another parameter in its place."""
    name = site.node.id if isinstance(site.node, ast.Name) and isinstance(site.node.ctx, ast.Load) else None
    owners = [f for f in site.functions if name in [a.arg for a in _parameters(f)]]
    if name is None or not owners or (isinstance(site.parent, ast.Call) and site.field == "func"):
        return
    of_its_shape = isinstance(site.parent, ast.Attribute) and site.parent.attr in ("dtype", "ndim", "shape", "size")
    if name in site.arrays and not of_its_shape and _called(site.parent) != "len":
        if owners[-1] is site.rule:
            yield from (f"np.abs({name})", f"np.maximum({name}, 0)", f"np.ones_like({name})", f"-{name}", f"2 * {name}")
        else:
            yield from (f"np.clip({name}, -6, 6)", f"np.abs({name})")
    yield from dict.fromkeys(a.arg for f in site.functions for a in _parameters(f))


def overwritten(site: Site) -> Iterator[str]:
    """Write into the incoming gradient or an input once the result is known."""
    node = site.node
    if site.rule and site.result_of_a_rule:
        g = _parameters(site.rule)[0].arg
        for name in site.arrays:
            yield f"[np.array({ast.unparse(node)}), {name}.fill(0)][0]"
        yield f"[np.array({ast.unparse(node)}), np.multiply({g}, 2, out={g})][0]"
    if isinstance(node, ast.Return) and node.value is not None:
        # A rule may return a view of what is then written into.
        value = f"np.array({ast.unparse(node.value)})" if site.rule else ast.unparse(node.value)
        for name in site.arrays:
            yield f"kept = {value}\n{name}[...] = 0\nreturn kept"


def overwritten_value(site: Site) -> Iterator[str]:
    """Write into the op's value in its gradient rules."""
    node = site.node
    if not isinstance(node, ast.Return) or not isinstance(node.value, ast.Tuple) or len(node.value.elts) != 2:
        return
    if len(site.functions) == 1 and _has_rules(site.functions[0]):
        value, rules = map(ast.unparse, node.value.elts)
        rule = "lambda g, rule=rule: [np.array(rule(g)), kept.fill(0)][0]"
        yield f"kept = {value}\nreturn kept, tuple([{rule} for rule in ({rules})])"


def works_once(site: Site) -> Iterator[str]:
    """Give zeros from a gradient rule that is called again."""
    if isinstance(site.node, ast.Lambda) and len(_parameters(site.node)) == 1 and site.functions:
        g = _parameters(site.node)[0].arg
        body = f"(calls.append({g}), {ast.unparse(site.node.body)})[1] * (len(calls) == 1)"
        yield f"(lambda calls: lambda {g}: {body})([])"
    if isinstance(site.node, ast.Return) and isinstance(site.rule, ast.FunctionDef) and site.node.value is not None:
        calls = f"{site.rule.name}.calls"
        count = f"{calls} = getattr({site.rule.name}, 'calls', 0) + 1"
        yield f"{count}\nreturn {_text(site.node.value)} * ({calls} == 1)"


def bounds(site: Site) -> Iterator[str]:
    """Begin or end a slice one earlier or later."""
    if isinstance(site.node, ast.Slice):
        lower, upper, step = (site.node.lower, site.node.upper, site.node.step)
        begin, end, stride = ("" if part is None else _text(part) for part in (lower, upper, step))
        for other in _beside(lower, "1"):
            yield f"{other}:{end}:{stride}"
        for other in _beside(upper, "-1"):
            yield f"{begin}:{other}:{stride}"


def _beside(bound: ast.expr | None, missing: str) -> list[str]:
    if bound is None:
        return [missing]
    if isinstance(bound, ast.Constant) and isinstance(bound.value, int):
        return [str(bound.value + 1), str(bound.value - 1)]
    return [f"{_text(bound)} + 1", f"{_text(bound)} - 1"]


def order(site: Site) -> Iterator[str]:
    """Swap neighbours in a tuple: of results, indices, sizes or names; or leave out the last."""
    if isinstance(site.node, ast.Tuple):
        texts = [ast.unparse(element) for element in site.node.elts]
        if not isinstance(site.parent, ast.Compare):
            for at in range(len(texts) - 1):
                yield ", ".join([*texts[:at], texts[at + 1], texts[at], *texts[at + 2 :]])
        if texts and isinstance(site.node.ctx, ast.Load):
            yield ", ".join(texts[:-1]) + "," if texts[1:] else "()"


def parallel_loop(site: Site) -> Iterator[str]:
    """Run an inner loop in parallel, and the outer one not."""
    if isinstance(site.node, ast.For) and _called(site.node.iter) == "prange":
        for at, loop in enumerate(ast.walk(site.node)):
            if isinstance(loop, ast.For) and _called(loop.iter) == "range":
                changed = copy.deepcopy(site.node)
                inner = list(ast.walk(changed))[at]
                for which, name in ((changed, "range"), (inner, "prange")):
                    which.iter.func.id = name  # type: ignore[attr-defined]
                yield ast.unparse(changed)


OPERATORS: dict[str, Operator] = {
    "axis": axis,
    "arithmetic": patterns(
        ("X + Y", "X - Y", "X", "Y"),
        ("X - Y", "X + Y", "X", "Y", "Y - X"),
        ("X * Y", "X / Y", "X + Y", "X", "Y"),
        ("X / Y", "X * Y", "X", "Y / X"),
        ("X // Y", "X / Y", "X"),
        ("X % Y", "X // Y", "X"),
        ("X ** Y", "X * Y", "X"),
        ("X @ Y", "Y @ X"),
        ("-X", "X"),
    ),
    "comparison": comparison,
    "logic": logic,
    "not": patterns(("not X", "X")),
    "condition": condition,
    "branch": patterns(("X if C else Y", "X", "Y"), ("np.where(C, X, Y)", "X", "Y", "np.where(C, Y, X)")),
    "constant": constant,
    "subscripts": subscripts,
    "dropped statement": dropped_statement,
    "jump": patterns(("break", "continue"), ("continue", "break")),
    "another error": another_error,
    "assignment": patterns(
        ("X += Y", "X = Y", "X -= Y"),
        ("X -= Y", "X = Y", "X += Y"),
        ("X *= Y", "X = Y", "X /= Y"),
        ("X /= Y", "X = Y", "X *= Y"),
    ),
    "item": item,
    "in place": patterns(
        ("X += Y", "X = X + Y"),
        ("X -= Y", "X = X - Y"),
        ("X *= Y", "X = X * Y"),
        ("X = X + Y", "X += Y"),
        ("X = X - Y", "X -= Y"),
        ("X = X * Y", "X *= Y"),
    ),
    "dropped call": dropped_call,
    "swapped arguments": swapped_arguments,
    "another function": patterns(
        ("X.maximum", "X.minimum"),
        ("X.minimum", "X.maximum"),
        ("np.maximum(X, Y)", "Y"),
        ("np.minimum(X, Y)", "Y"),
        ("X.max", "X.min"),
        ("X.min", "X.max"),
        ("max", "min"),
        ("min", "max"),
        ("X.any", "X.all"),
        ("X.all", "X.any"),
        ("any", "all"),
        ("all", "any"),
        ("X.sum", "X.mean"),
        ("X.mean", "X.sum"),
        ("X.var", "X.std"),
        ("X.std", "X.var"),
        ("X.exp", "X.log"),
        ("X.log", "X.exp"),
        ("X.sqrt", "X.square"),
        ("X.square", "X.sqrt"),
        ("X.sign", "X.abs"),
        ("X.abs", "X.sign"),
        ("X.zeros", "X.ones"),
        ("X.ones", "X.zeros"),
        ("X.zeros_like", "X.ones_like"),
        ("X.ones_like", "X.zeros_like"),
        ("X.pop()", "X.pop(0)"),
        ("X.T", "X"),
    ),
    "dtype": dtype,
    "another dtype": patterns(
        ("X.dtype", "np.float64"),
        ("np.float32", "np.float64"),
        ("np.float64", "np.float32"),
    ),
    "keyword": keyword,
    "result": result,
    "parameter": parameter,
    "overwritten": overwritten,
    "overwritten value": overwritten_value,
    "works once": works_once,
    "bounds": bounds,
    "order": order,
    "loop": patterns(
        ("range(N)", "range(1, N)", "range(N - 1)"),
        ("range(A, N)", "range(A + 1, N)", "range(A, N - 1)", "range(N)"),
        ("range(A, N, S)", "range(A + 1, N, S)", "range(A, N - 1, S)", "range(A, N)"),
        ("prange(N)", "prange(1, N)", "prange(N - 1)"),
        ("enumerate(X)", "enumerate(X, 1)"),
    ),
    "parallel loop": parallel_loop,
}
"""The rules by name. Of two that make the same mutant, the first names it."""
