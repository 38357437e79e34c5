"""Cue phrases of citing prose, by what they signal; written by hand, independent of any data set.

Words are plain English and are folded like the text (`tokens.fold`). A trailing `*` matches any ending.
"""

from __future__ import annotations

from typing import NamedTuple

from classifier.judges.local.tokens import fold

LEXICON: dict[str, str] = {
    "agree": """
        consistent with | in agreement | in good agreement | in line with | in accordance with | agree* with |
        agree well | corroborat* | confirm* | in accord with | concordant with | support* the finding |
        support* the hypothesi* | support* the notion | support* the view | support* the idea | support* this |
        support* our | support* previou* | is supported by | were supported by | coincide* with | replicat* |
        reproduce* the result | compatible with | in support of | in keeping with | match* the result |
        accord* with | in accordance to | in concordance | concur | concurred | concurring | conform* with |
        in conformity with | match* the theoretical | match* previous | fit* well with | parallel* the finding |
        echo* | verif* | validat* the | similarly to
        """,
    "disagree": """
        contradict* | inconsistent with | not consistent with | disagree* | conflict* with | at odd with |
        in disagreement | discrepan* | not in agreement | not agree | not confirm* | not replicat* | not support* |
        refut* | challenge* the | call* into question | cast* doubt | question* the | dispute* |
        failed to replicat* | could not reproduce | incompatible with | discordant | doubt* | in contradiction |
        run counter to | ran counter to | at variance with
        """,
    "same": """
        similar to | similar | similarly | likewise | comparable to | comparable with | analogou* | same as |
        the same | identical to | equivalent to | resembl* | reminiscent of | akin to | close to | closely related |
        in common with | as did | as in | as previously reported | as reported by | as observed by | as also
        """,
    "differ": """
        unlike | in contrast | by contrast | different from | differ* from | distinct from | rather than |
        instead of | whereas | contrast* with | as opposed to | difference between | key difference |
        main difference | our approach differ* | we do not | departs from | alternative to | orthogonal to
        """,
    "praise": """
        effective | effectivene* | efficient | successful* | promising | powerful | seminal | pioneering | elegant |
        excellent | impressive | remarkabl* | outstanding | superior | state of the art | robust | accurate |
        well suited | advantage* | benefit* | significant improvement | substantial improvement | improve* |
        achiev* | breakthrough | influential | landmark | groundbreaking | comprehensive | valuable | useful |
        helpful | elegantly | nicely | sophisticated | best performance | best result | high accuracy |
        highly accurate | strong | reliabl* | importan* contribution | milestone | attractive | appealing |
        ingeniou* | thorough | rigorou* | insightful | convincing* | led to significant | great success |
        success of | flexible | scalable | versatile
        """,
    "criticism": """
        fail* to | suffer* from | limitation* | limited to | limited by | drawback* | shortcoming* | weakne* |
        disadvantage* | problem with | problematic | inadequat* | insufficient | inefficient | inaccura* |
        unreliabl* | incorrect* | wrong* | flaw* | mistak* | error prone | expensive | costly | time consuming |
        intractable | does not scale | not scale | cannot handle | can not handle | not able to | unable to |
        not applicable | cannot be applied | not suitable | ill suited | not take into account | ignore* |
        neglect* | overlook* | lack* | lack of | poor | poorly | restrict* to | restrictive | too | rely on |
        at the cost of | bias* | unclear | unrealistic | oversimplif* | ad hoc | heavily depend* |
        require* a large | require* expensive | difficult to | hard to | complicated | impractical | weak | naive |
        only consider* | only applicable | only work* | prone to | sensitive to | not robust | not guarantee* |
        does not consider | do not consider | not address* | degrad* | unfortunately | caveat* | crude |
        vulnerable | questionabl* | misleading | suboptimal | unsatisf*
        """,
    "fault": """
        fail* to account | fail* to capture | fail* to handle | fail* to address | fail* to | suffer* from |
        drawback* | shortcoming* | weakne* | major limitation | main limitation | limitation of | disadvantage of |
        disadvantage* is | inadequat* | not scale | cannot handle | can not handle | cannot deal | can not deal |
        cannot cope | cannot be applied | can not be applied | not able to handle | unable to |
        not take into account | not take the | ignore* | neglect* | overlook* | prone to | error prone |
        time consuming | computationally expensive | too slow | too narrow | too loose | too small |
        too restrictive | too complex | too expensive | unrealistic | unsatisfactory | performs poorly |
        perform poorly | performed poorly | breaks down | break down | flaw* | misleading | outdated | vague |
        not robust | not suitable | not applicable | is limited to | are limited to | is restricted to |
        are restricted to | only work* for | only handle* | only consider* | contains a gap | there is a mistake |
        is wrong | is incorrect | inefficient | impractical | not feasible | underestimat* | overestimat* |
        lack any | lacks | not reliable | unreliable | is incomplete | doubtful | questionable | biased |
        oversimplif* | intractable | unstable
        """,
    "contrast": """
        in contrast with | in contrast to | contrast* with | contrary to | opposite to | opposed to | unlike |
        counter to | deviate* from |
        in contrast | by contrast | differ* from | different from | higher than | lower than | larger than |
        smaller than | more than | less than | stronger than | weaker than | twice as | whereas
        """,
    "find": """
        found | find | observe* | detect* | saw | see | seen | confirm* | replicat* | reproduce* | our result* |
        our finding* | these result* | these finding* | our data | obtain* | our patient* | our sample |
        our cohort | our estimate* | our value* | our experiment* | our trial | no association | no difference |
        no effect
        """,
    "better": """
        outperform* | better than | superior to | faster than | more accurate than | more efficient |
        more efficient than | improve* over | improve* upon | improve* on | improvement over | improvement on |
        exceed* | surpass* | beat* | advantage over | gain* over | lower error | reduction in error | tighter |
        sharper | more robust than | significantly better | much better | more flexible | more general than |
        better performance | better result | better accuracy | compared favorably
        """,
    "worse": """
        worse than | inferior to | less accurate | slower than | underperform* | poorer than | less efficient |
        not better | not a good | did not improve | performed worse
        """,
    "gap": """
        little is known | not been studied | not yet been | not been addressed | remain* unclear | remain* unknown |
        remain* open | remain* to be | open question | open problem | unexplored | understudied | scarce |
        few study | little attention | no study | no previou* | has not been | have not been | is needed |
        are needed | to address | to overcome | to fill | to remedy | to tackle | to alleviate | gap | still lack* |
        not well understood | poorly understood | controversial | unresolved | motivat* | inspire* by |
        inspired by | encouraged by | need for | this lead* us | to solve this | to resolve
        """,
    "use": """
        use | used | using | utiliz* | utilis* | employ* | apply | applied | applying | adopt* | follow | followed |
        following | implement* | perform* | as described | described by | described in | described previously |
        according to | based on | on the basi* of | by mean of | with the help of | leverag* | exploit* |
        make use of | made use of | built on | build on | builds on | obtained from | downloaded from | taken from |
        purchased | derived from | calculated | computed | estimated | measured | assessed | evaluated | analyzed |
        analysed | carried out | conducted | train* | trained on | tested on | evaluate* on | experiment* |
        initializ* | modeled | modelled | recall | borrow* | via | we consider | rely on | relie* on | take* from |
        run | given in | proposed in | proposed by
        """,
    "resource": """
        dataset | data set | data | corpu* | treebank* | benchmark* | database* | collection | catalog* |
        survey data | test set | training set | test collection | shared task | annotated | repository | sample |
        cohort | lexicon* | wordnet | ontology | image* | archive | questionnaire | measurement*
        """,
    "tool": """
        tool | toolkit* | software | package | library | parser | tagger | algorithm | method | model | procedure |
        protocol | technique | framework | implementation | code | assay | test | scale | kit | approach | formula |
        theorem | lemma | equation | definition | metric | score | classifier | architecture | network | optimizer |
        solver
        """,
    "extend": """
        extend* | extension* of | extension to | an extension | generaliz* | generalis* | generalization of |
        build upon | builds upon | build on | modif* | modified version | variant of | variation of | adapt* |
        augment* | expand* | refine* | improved version | continu* | continuation of | further develop* | enhance* |
        revis* | elaborat*
        """,
    "future": """
        future work | in the future | future research | future study | future direction | further work |
        further research | we plan to | plan to | we intend to | intend to | we will | would be interesting |
        it would be | could be extended | leave* for | left for | for future | we hope to | hope to | next step |
        would like to | interesting to | worth | promising direction | can be extended | could also be |
        may be used | might be | remains to
        """,
    "compare": """
        compare* | compared to | compared with | comparison* | in comparison | relative to | baseline* | versu* |
        vs | against | as well as | outperform* | than that | than those | than the | than in | difference* |
        result of | result in table | table | figure | we compare | competing | competitor* | counterpart*
        """,
    "known": """
        it is known | is known | well known | known to | it is well | it has been | has been shown |
        have been shown | has been | have been | been shown | been reported | been proposed | been used |
        been studied | been suggested | been demonstrated | been found | widely | commonly | popular |
        traditional* | typical* | standard | classical* | extensively | frequent* | generally | usually | such as |
        for example | e g | including | among | there are | there is | several | many | various | a number of |
        recent* | previou* study | in recent year | early work | related work | literature | reviewed
        """,
    "report": """
        propose* | introduc* | present* | report* | describe* | show* | found | find | demonstrat* | suggest* |
        argue* | observ* | develop* | stud* | investigat* | discus* | claim* | note* | analyz* | explor* | examin* |
        prove* | proved | establish* | conclud* | identif* | showed | consider* | address* | define* | attempt* |
        treat* | first | originally | concept of | the term | called | referred to
        """,
    "own_result": """
        our result* | our finding* | our data | our observation* | our study | present study | this study |
        current study | our experiment* | our analysi* | our work | our approach | our method | our model |
        our algorithm | our system | our proof | our estimate* | our value* | in our | our sample | we found |
        we find | we observe* | we obtain* | we show* | we also found | we did not | these result* |
        these finding* | these data | this result | this finding | the result | this paper | this work | here we |
        here
        """,
    "turn": "however | but | although | though | while | nevertheless | nonetheless | yet | despite | unfortunately | "
    "on the other hand | in spite of | even though | still | only | albeit",
    "cause": "because | since | due to | therefore | thus | hence | thereby | in order to | so that | as a result",
    "hedge": "may | might | could | perhaps | possibl* | likely | seem* | appear* | suggest* | probabl* | presumabl*",
}
NEGATORS = frozenset(
    "not no never without neither nor cannot can't don't doesn't didn't isn't aren't wasn't weren't hardly "
    "little few lack fail failed unable n't rarely".split()
)
FIRST_PERSON = frozenset("we our us i my ours".split())
RESOURCE_TITLE = frozenset(
    "dataset corpus corpora treebank benchmark database collection catalog catalogue survey task wordnet lexicon "
    "archive repository challenge data release".split()
)
TOOL_TITLE = frozenset(
    "toolkit tool software package library parser tagger system algorithm method technique framework open source "
    "program code implementation toolbox scale inventory questionnaire assay".split()
)
_SCOPE = 3
"""A negator reaches this many tokens to the right (the usual window in polarity work)."""


class Cue(NamedTuple):
    """One match: `name` is the class, with `not:` in front in the scope of a negator; tokens `[first, after)`."""

    name: str
    first: int
    after: int


class _Node(dict[str, "_Node"]):
    """A trie over token forms; keys ending in `*` are prefixes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.prefixes: list[str] = []

    def child(self, key: str) -> _Node:
        if key not in self:
            self[key] = _Node()
            if key.endswith("*"):
                self.prefixes.append(key[:-1])
        return self[key]

    def after(self, form: str) -> list[_Node]:
        found = [self[form]] if form in self else []
        found += [self[p + "*"] for p in self.prefixes if form.startswith(p)]
        return found


def _build() -> tuple[_Node, dict[str, tuple[_Node, ...]]]:
    root = _Node()
    for name, phrases in LEXICON.items():
        for phrase in phrases.split("|"):
            node = root
            for word in phrase.split():
                node = node.child(word if word.endswith("*") else fold(word))
            if node is not root and name not in node.names:
                node.names.append(name)
    return root, {}


_ROOT, _STARTS = _build()


def _starts(form: str) -> tuple[_Node, ...]:
    known = _STARTS.get(form)
    if known is None:
        known = tuple(_ROOT.after(form))
        if len(_STARTS) < 200_000:
            _STARTS[form] = known
    return known


def find_cues(forms: list[str]) -> list[Cue]:
    """Every cue in a sentence of token forms, left to right; the longest phrase of each class at a place."""
    found: list[Cue] = []
    for i, form in enumerate(forms):
        nodes = _starts(form)
        if not nodes:
            continue
        longest: dict[str, int] = {}
        frontier = [(node, i + 1) for node in nodes]
        while frontier:
            node, at = frontier.pop()
            for name in node.names:
                longest[name] = max(longest.get(name, 0), at)
            if at < len(forms) and node:
                frontier.extend((child, at + 1) for child in node.after(forms[at]))
        if longest:
            negated = any(f in NEGATORS for f in forms[max(0, i - _SCOPE) : i])
            for name, after in sorted(longest.items()):
                found.append(Cue(f"not:{name}" if negated else name, i, after))
    return found
