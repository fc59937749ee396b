"""No widget draws data as Markdown: every label and option made from data goes through `label` or `escape`.

The sources of the pages are walked. What a widget draws as Markdown has to be written in the program, be a number, or
come from one of the escaping functions; local names and functions of the pages are followed to where they are made.
"""

import ast
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Their first argument, or `label`, is Markdown.
LABELLED = {
    "button", "checkbox", "download_button", "expander", "feedback", "file_uploader", "form_submit_button",
    "link_button", "menu_button", "metric", "multiselect", "number_input", "page_link", "pills", "popover", "progress",
    "radio", "segmented_control", "select_slider", "selectbox", "slider", "spinner", "status", "subheader", "header",
    "table", "tabs", "text_area", "text_input", "title", "toast", "toggle",
}  # fmt: skip
# Their options are Markdown too. Those of selectbox, multiselect and select_slider are plain text, where an escape
# would be seen.
MARKDOWN_OPTIONS = {"radio": "options", "pills": "options", "segmented_control": "options"}
MARKDOWN_KEYWORDS = {"label", "help", "captions", "delta"}
ESCAPING = {"label", "escape", "answer_markdown"}
NUMERIC = {"len", "round", "int", "float", "sum", "min", "max", "abs", "moment", "duration"}
OF_TEXT = {"rstrip", "strip", "removesuffix", "removeprefix", "capitalize", "lower", "upper", "title"}


@dataclass
class Module:
    """One source file: its functions by name and the modules of pages it calls by name."""

    path: Path
    tree: ast.Module
    functions: dict[str, ast.AST] = field(default_factory=dict)

    @classmethod
    def of(cls, path, text):
        tree = ast.parse(text)
        found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        return cls(path, tree, found)


def constant(name):
    return name.lstrip("_").isupper()


class Judge:
    """Tells whether an expression can carry data into Markdown."""

    def __init__(self, modules):
        self.modules = modules
        self.seen = set()

    def safe(self, node, module, scope):
        """Return whether the value of `node`, in the function `scope`, is text of the program, a number, or escaped."""
        match node:
            case None | ast.Constant():
                return True
            case ast.JoinedStr():
                return all(self.safe(part, module, scope) for part in node.values)
            case ast.FormattedValue():
                return numeric_format(node.format_spec) or self.safe(node.value, module, scope)
            case ast.BinOp():
                return self.safe(node.left, module, scope) and self.safe(node.right, module, scope)
            case ast.IfExp():
                return self.safe(node.body, module, scope) and self.safe(node.orelse, module, scope)
            case ast.BoolOp():
                return all(self.safe(value, module, scope) for value in node.values)
            case ast.Compare() | ast.UnaryOp():
                return True
            case ast.List() | ast.Tuple() | ast.Set():
                return all(self.safe(part, module, scope) for part in node.elts)
            case ast.Starred():
                return self.safe(node.value, module, scope)
            case ast.Dict():
                return all(self.safe(part, module, scope) for part in node.values)
            case ast.ListComp() | ast.GeneratorExp():
                return self.safe(node.elt, module, scope)
            case ast.DictComp():
                return self.safe(node.value, module, scope)
            case ast.Subscript():
                return self.safe(node.value, module, scope)
            case ast.Name():
                return constant(node.id) or self.safe_name(node.id, module, scope)
            case ast.Attribute():
                fetched = node.attr == "__getitem__" and self.safe(node.value, module, scope)
                return constant(node.attr) or fetched or self.safe_field(node, module, scope)
            case ast.Lambda():
                return self.safe(node.body, module, node)
            case ast.Call():
                return self.safe_call(node, module, scope)
            case _:
                return False

    def safe_field(self, node, module, scope):
        """Return whether a field of `self` is safe: all calls in this module that create the class pass literals."""
        if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return False
        owners = [one for one in ast.walk(module.tree) if isinstance(one, ast.ClassDef) and scope in one.body]
        made = [
            next((keyword.value for keyword in call.keywords if keyword.arg == node.attr), None)
            for call in ast.walk(module.tree)
            if isinstance(call, ast.Call) and owners and ast.unparse(call.func) == owners[0].name
        ]
        return bool(made) and all(isinstance(value, ast.Constant) for value in made)

    def safe_call(self, node, module, scope):
        function, arguments = node.func, [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(function, ast.Name):
            if function.id in ESCAPING | NUMERIC | {"range"}:
                return True
            if function.id == "counted":
                return self.safe(node.args[1], module, scope)
            if function.id in {"list", "sorted", "tuple", "str", "dict"}:
                return all(self.safe(argument, module, scope) for argument in arguments)
            return self.safe_function(function.id, module)
        if isinstance(function, ast.Attribute):
            if function.attr == "join":
                return all(self.safe(argument, module, scope) for argument in node.args)
            if function.attr in OF_TEXT | {"get", "values", "items", "keys"}:
                return self.safe(function.value, module, scope)
            if isinstance(function.value, ast.Name) and (other := self.modules.get(function.value.id)):
                return self.safe_function(function.attr, other)
        return False

    def safe_function(self, name, module):
        """Tell whether everything that a function of the pages returns is safe; its parameters are not."""
        function = module.functions.get(name)
        if function is None:
            return False
        if id(function) in self.seen:
            return True  # it calls itself: what else it returns decides
        self.seen.add(id(function))
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        verdict = bool(returned) and all(self.safe(value, module, function) for value in returned)
        self.seen.discard(id(function))
        return verdict

    def safe_name(self, name, module, scope):
        """Tell whether everything that is assigned to a name is safe: in its function, or in the module."""
        if name in module.functions:
            return self.safe_function(name, module)
        if name in ESCAPING:
            return True
        made = list(assigned(name, scope)) or list(assigned(name, module.tree))
        marker = (name, id(scope))
        if marker in self.seen:
            return True
        self.seen.add(marker)
        verdict = bool(made) and all(value is not None and self.safe(value, module, scope) for value in made)
        self.seen.discard(marker)
        return verdict


def numeric_format(spec):
    """Tell whether a format only takes numbers: text would raise ValueError."""
    written = "".join(part.value for part in spec.values if isinstance(part, ast.Constant)) if spec else ""
    return written.endswith((",", "f", "d", "%", "+,", "Y", "M", "S", "g"))


def assigned(name, scope):
    """Yield the values that a function assigns to a name; None for an unknown one, such as a parameter."""
    arguments = getattr(scope, "args", None)
    if arguments is not None and name in {a.arg for a in [*arguments.args, *arguments.kwonlyargs]}:
        yield None
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from parts(name, target, node.value, scope)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and node.value is not None:
            yield from parts(name, node.target, node.value, scope)
        elif isinstance(node, ast.For | ast.comprehension):
            yield from parts(name, node.target, node.iter, scope, each=True)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield from parts(name, node.optional_vars, None, scope)


def resolved(value, scope):
    """Return the value of a name that is assigned only once, otherwise the name."""
    if not isinstance(value, ast.Name):
        return value
    made = [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == value.id
    ]
    return made[0] if len(made) == 1 else value


def parts(name, target, value, scope, *, each=False):
    """Yield the values that `target = value` assigns to the name; with `each`, the value is iterated over."""
    value = resolved(value, scope) if each else value
    if isinstance(target, ast.Name):
        if target.id == name:
            yield value
        return
    if not isinstance(target, ast.Tuple):
        return
    for place, inner in enumerate(target.elts):
        if each and isinstance(value, ast.Tuple | ast.List):
            for row in value.elts:
                yield from parts(name, inner, row.elts[place] if isinstance(row, ast.Tuple) else None, scope)
        elif each and isinstance(value, ast.Call) and ast.unparse(value.func) in {"zip", "enumerate"}:
            numbered = ast.unparse(value.func) == "enumerate"
            from_ = ast.Constant(0) if numbered and not place else value.args[0 if numbered else place]
            yield from parts(name, inner, from_, scope, each=True)
        elif each and isinstance(value, ast.Call) and ast.unparse(value.func).endswith(".items"):
            table = value.func.value
            yield from parts(name, inner, table if place else keys_of(resolved(table, scope)), scope)
        elif isinstance(value, ast.Tuple):
            yield from parts(name, inner, value.elts[place], scope)
        else:
            yield from parts(name, inner, value, scope)


def keys_of(table):
    return ast.List(table.keys) if isinstance(table, ast.Dict) else table


def scopes(tree):
    """Yield every call with the innermost function around it."""

    def visit(node, scope):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, scope
            yield from visit(child, child if isinstance(child, ast.FunctionDef | ast.Lambda) else scope)

    yield from visit(tree, tree)


def drawn(call):
    """Yield the expressions that a call of a widget draws as Markdown."""
    widget = call.func.attr
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if call.args and widget != "page_link":
        yield call.args[1] if widget == "progress" and len(call.args) > 1 else call.args[0]
    if widget == "metric":
        yield from call.args[1:3]
    yield from (value for name, value in keywords.items() if name in MARKDOWN_KEYWORDS)
    if widget in MARKDOWN_OPTIONS:
        options = call.args[1] if len(call.args) > 1 else keywords.get("options")
        yield keywords.get("format_func", options)


def live_labels(sources):
    """Return a sentence for each label or option that data may reach unescaped; `sources` are texts by path."""
    modules = {path.stem: Module.of(path, text) for path, text in sources.items()}
    everything = [Module.of(path, text) for path, text in sources.items()]
    return [
        f"{module.path}:{call.lineno} {call.func.attr}: {ast.unparse(expression)[:80]}"
        for module in everything
        for call, scope in scopes(module.tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in LABELLED and draws(call)
        for expression in drawn(call)
        if not Judge(modules).safe(expression, module, scope)
    ]


def draws(call):
    """Return whether a call is a widget, not a method of the same name."""
    owner = call.func.value
    ours = call.func.attr in {"title", "status"} and ast.unparse(owner) != "st"
    return isinstance(owner, ast.Name | ast.Subscript) and not ours


def pages():
    files = [*sorted((ROOT / "animerag" / "ui").glob("*.py")), *sorted((ROOT / "pages").glob("*.py"))]
    return {file.relative_to(ROOT): file.read_text(encoding="utf-8") for file in files}


def test_no_label_or_option_draws_data_as_markdown():
    assert live_labels(pages()) == []


@pytest.mark.parametrize(
    "line",
    [
        'st.pills("In the inbox", names)',
        'st.pills("In the inbox", names, format_func=str)',
        'st.pills("In the inbox", names, format_func=lambda name: f"**{name}**")',
        'st.radio("Pick", options=[show.title for show in shows])',
        "st.button(show.title)",
        'st.button(f"Open {show.title}")',
        'st.button("Open " + show.title)',
        "st.expander(label=show.title)",
        'st.metric("Title", show.title)',
        'st.table([{"Job": show.title} for show in shows])',
        'st.button("Open", help=show.title)',
        "place.segmented_control('Pick', ['a'], format_func=titles.get)",
        "name = show.title\n    st.button(name)",
        "name = 'a'\n    name = show.title\n    st.button(name)",
        "for name in names:\n        st.button(name)",
        "for number, (name, other) in enumerate(zip(names, 'ab')):\n        st.button(name)",
        "st.button(named(show))",
        "st.button(show.title if show else 'none')",
        "st.button(counted(3, show.title))",
        "columns[0].button(show.title)",
    ],
)
def test_an_unescaped_label_is_reported(line):
    named = "def named(show):\n    return f'{show.title}!'\n\n\n"
    text = f"{named}def draw(st, names, show, shows, titles, place):\n    {line}\n"
    assert len(live_labels({Path("pages/new.py"): text})) == 1


@pytest.mark.parametrize(
    "line",
    [
        'st.pills("In the inbox", names, format_func=label)',
        'st.selectbox("Pick", names)',  # its options are plain text
        'st.button(f"Open {label(show.title)}")',
        'st.button(f"{len(names):,} shows")',
        "st.button(named(show))",
        "for name, number in {'a': show.year}.items():\n        st.metric(name, f'{number:,}')",
        "st.radio('Pick', list(CHOICES), format_func=CHOICES.__getitem__)",
        "show.title.title()",
    ],
)
def test_an_escaped_label_is_accepted(line):
    named = "CHOICES = {}\n\n\ndef named(show):\n    return label(show.title)\n\n\n"
    text = f"{named}def draw(st, names, show):\n    {line}\n"
    assert live_labels({Path("pages/new.py"): text}) == []


def test_the_check_reads_the_pages():
    calls = [call for text in pages().values() for call, _ in scopes(ast.parse(text))]
    widgets = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)} & LABELLED
    assert {"button", "pills", "selectbox", "expander", "metric", "segmented_control"} <= widgets
