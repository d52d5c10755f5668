package plan

import "testing"

func TestAPlanThatMakesNoSenseIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Verbs, arguments, pairs.
		{"at 1s cal n0 a", `p.plan:8:7: there is no verb "cal"; did you mean calm?`},
		{"at 1s elephant n0", `p.plan:8:7: there is no verb "elephant"`},
		{"at 1s call n0 a siez=9", `p.plan:8:17: call takes no siez=; it takes size, idempotent, expect`},
		{"at 1s kill n0 n1 by=1s", `p.plan:8:18: kill takes no by=`},
		{"at 1s call n0", `p.plan:8:7: call: SERVICE is missing: at TIME call NODE SERVICE [size=64] [idempotent=no] [expect=anything]`},
		{"at 1s kill", `p.plan:8:7: kill: FROM is missing: at TIME kill FROM TO`},
		{"at 1s partition n0", `p.plan:8:17: partition: want at least 2 of GROUP: at TIME [for TIME] partition GROUP...`},
		{"at 1s kill n0 n1 n2", `p.plan:8:18: kill: "n2" is one argument too many: at TIME kill FROM TO`},
		{"kill n0 n1 at 1s", `p.plan:8:1: kill: does not say when: it wants one of "at TIME", "from TIME to TIME" and "then"`},
		{"at 1s order tea", `p.plan:8:7: order: hot= is missing: at TIME order WHAT hot=YES|NO count=N`},
		{"sometimes", `p.plan:8:1: sometimes: MARK is missing: sometimes MARK...`},
		{"at 1s fault", `p.plan:8:7: "fault" stands only in a line that is drawn: "from TIME to TIME draw COUNT fault"`},
		{"from 1s to 2s draw 3 fault n0", `p.plan:8:28: fault takes no arguments: all of them are drawn`},
		{"from 1s to 2s draw 3 request size=9", `p.plan:8:30: request takes no arguments: all of them are drawn`},
		// Values.
		{"at -1s kill n0 n1", `p.plan:8:4: at -1s: want at least 0s`},
		{"at soon kill n0 n1", `p.plan:8:4: at soon: want a duration such as 250ms`},
		{"at 9s..2s kill n0 n1", `p.plan:8:4: at 9s..2s: a range goes from a smaller value to a greater one`},
		{"at 1s call n0 a size=2MiB", `p.plan:8:22: call size=2MiB: want at most 1MiB`},
		{"at 1s call n0 a size=300..8", `p.plan:8:22: call size=300..8: a range goes from a smaller value to a greater one`},
		{"at 1s call n0 a size=7", `p.plan:8:22: call size=7: want at least 8`},
		{"at 1s call n0 a expect=tea", `p.plan:8:24: call expect=tea: want one of anything, answer, error`},
		{"at 1s call n0 a idempotent=maybe", `p.plan:8:28: call idempotent=maybe: want yes or no`},
		{"at 1s call n0 \"\"", `p.plan:8:15: call service="": want a name`},
		{"at 1s wall n0 by=-49h", `p.plan:8:18: wall by=-49h: want at least -48h`},
		{"from 1s to 2s every 1ns kill n0 n1", `p.plan:8:21: every 1ns: want at least 1µs`},
		{"from 0s to 24000h every 1us kill n0 n1", `p.plan:8:19: kill: that is more than 10000000 times`},
		{"from 1s to 2s draw 100001 kill", `p.plan:8:20: draw 100001: want at most 100000`},
		{"from 1s to 2s draw -1 kill", `p.plan:8:20: draw -1: want at least 0`},
		{"at \"5\\ns\" kill n0 n1", `p.plan:8:4: at "5\ns": want a duration such as 250ms`},
		{"at 1s call n0 a expect=\"x\\ny\"", `p.plan:8:24: call expect="x\ny": want one of anything, answer, error`},
		// Nodes.
		{"at 1s crash m0", `p.plan:8:13: there is no node "m0"; did you mean n0?`},
		{"at 1s crash server", `p.plan:8:13: there is no node "server"`},
		{"at 1s crash \"n\\n\"", `p.plan:8:13: there is no node "n\n"; did you mean n0?`},
		{"at 1s crash n*", `p.plan:8:13: n*: want the name of one node`},
		{"at 1s leave n0", `p.plan:8:13: there is no node of kind client "n0"`},
		{"at 1s leave e", `p.plan:8:13: there is no node of kind client "e"`},
		{"at 1s ring n0,n9,n1", `p.plan:8:12: there is no node "n9"; did you mean n0?`},
		{"at 1s ring n0,,n1", `p.plan:8:12: there is no node ""`},
		{"at 1s ring m*", `p.plan:8:12: there is no node "m*"`},
		{"at 1s ring ?", `p.plan:8:12: there is no node "?"`},
		{"at 1s partition n0,n1 c,n*", `p.plan:8:23: partition: the node n0 is in two of GROUP`},
		{"node n1", `p.plan:8:6: there are two nodes "n1"`},
		{"node x x", `p.plan:8:8: there are two nodes "x"`},
		{"node x kind=router", `p.plan:8:13: there is no kind of node "router"; there are node, client`},
		{"node x*", `p.plan:8:6: "x*" cannot be the name of a node: it has a meaning in lists of nodes`},
		{"node x,y", `p.plan:8:6: "x,y" cannot be the name of a node: it has a meaning in lists of nodes`},
		{"node ?", `p.plan:8:6: "?" cannot be the name of a node: it has a meaning in lists of nodes`},
		{"node x count=0", `p.plan:8:14: node count=0: want at least 1`},
		{"node x count=20001", `p.plan:8:14: node count=20001: want at most 20000`},
		{"node x count=20000", `p.plan:8:6: more than 20000 nodes`},
		{"node x count=1..3\nat 1s crash x2", `p.plan:9:13: the node x2 is not there in every plan that is drawn from this one`},
		{"node x count=1..3\nnode x2", `p.plan:9:6: there are two nodes "x2"`},
		// When.
		{"kill n0 n1", `p.plan:8:1: kill: does not say when: it wants one of "at TIME", "from TIME to TIME" and "then"`},
		{"at 1s from 2s to 3s every 1s kill n0 n1", `p.plan:8:7: kill: has both "at" and "from": it wants one of "at TIME", "from TIME to TIME" and "then"`},
		{"then at 1s kill n0 n1", `p.plan:8:6: kill: has both "then" and "at": it wants one of "at TIME", "from TIME to TIME" and "then"`},
		{"every 1s kill n0 n1", `p.plan:8:1: kill: "every" wants "from TIME to TIME"`},
		{"at 1s every 1s kill n0 n1", `p.plan:8:7: kill: "every" wants "from TIME to TIME"`},
		{"at 1s to 2s kill n0 n1", `p.plan:8:7: kill: "to" belongs to "from TIME"`},
		{"from 1s every 1s kill n0 n1", `p.plan:8:1: kill: "from" wants "to TIME" too`},
		{"from 1s to 2s kill n0 n1", `p.plan:8:1: kill: "from TIME to TIME" wants either "every TIME" or "draw COUNT"`},
		{"from 1s to 2s every 1s draw 3 kill n0 n1", `p.plan:8:1: kill: "from TIME to TIME" wants either "every TIME" or "draw COUNT"`},
		{"from 2s to 2s every 1s kill n0 n1", `p.plan:8:9: kill: from 2s to 2s is no time at all`},
		{"from 1s..2s to 3s every 1s kill n0 n1", `p.plan:8:6: from takes no range`},
		{"at 1s for 2s kill n0 n1", `p.plan:8:7: kill: takes no "for": it is over at once`},
		{"at 1s for 0s crash n0", `p.plan:8:11: for 0s: want at least 1ns`},
		{"at 1s within 2s crash n0", `p.plan:8:7: crash: is no property: it takes no "within"`},
		{"at 1s within 2s call n0 a", `p.plan:8:7: call: is no property: it takes no "within"`},
		{"answered", `p.plan:8:1: answered: "within" is missing: it is a property, and wants "within TIME" or "then within TIME"`},
		{"then answered", `p.plan:8:6: answered: "within" is missing: it is a property, and wants "within TIME" or "then within TIME"`},
		{"at 1s within 2s answered", `p.plan:8:1: answered: takes no "at": it is a property, and wants "within TIME" or "then within TIME"`},
		{"within 1s..2s answered", `p.plan:8:8: within takes no range`},
		{"within 0s answered", `p.plan:8:8: within 0s: want at least 1ns`},
		{"then draw 3 kill", `p.plan:8:6: kill: a line with "then" cannot be drawn: it has a place among the others, and no time`},
		{"draw 3 kill", `p.plan:8:8: kill: does not say when: it wants one of "at TIME", "from TIME to TIME" and "then"`},
		{"at 1s node x", `p.plan:8:1: node: takes no "at": it says something about the plan as a whole`},
		{"draw 2 link", `p.plan:8:1: link: takes no "draw": it says something about the plan as a whole`},
		// The border of the phases.
		{"at 9s kill n0 n1\ncalm 9s", `p.plan:8:4: kill: a fault after the end: the plan is calm from 9s on`},
		{"calm 9s\nat 10s call n0 a", `p.plan:9:4: call: a request after the end: the plan is calm from 9s on`},
		{"at 5s..9s kill n0 n1\ncalm 9s", `p.plan:8:4: kill: a fault after the end: the plan is calm from 9s on`},
		{"from 1s to 10s every 4s kill n0 n1\ncalm 9s", `p.plan:8:12: kill: a fault after the end: the plan is calm from 9s on`},
		{"from 1s to 10s draw 3 kill\ncalm 9s", `p.plan:8:12: kill: a fault after the end: the plan is calm from 9s on`},
		{"at 5s for 5s crash n0\ncalm 9s", `p.plan:8:11: crash: it can last until 10s, and the plan is calm from 9s on`},
		{"at 5s for 6s..9s crash n0\ncalm 9s", `p.plan:8:11: crash: it can last until 11s, and the plan is calm from 9s on`},
		{"at 1s..8s for 2s..9s crash n0\ncalm 9s", `p.plan:8:15: crash: it can last until 10s, and the plan is calm from 9s on`},
		{"from 1s to 9s every 3s for 3s crash n0\ncalm 9s", `p.plan:8:28: crash: it can last until 10s, and the plan is calm from 9s on`},
		{"from 1s to 9s draw 3 for 1s crash\ncalm 9s", `p.plan:8:26: crash: it can last until 10s, and the plan is calm from 9s on`},
		{"calm 0s", `p.plan:8:6: calm time=0s: want at least 1ns`},
		{"calm 9s core=n9", `p.plan:8:14: there is no node "n9"; did you mean n0?`},
		// Twice.
		{"plan q", `p.plan:8:1: there are two lines with "plan"`},
		{"system other", `p.plan:8:1: there are two lines with "system"`},
		{"shows a\nshows b", `p.plan:9:1: there are two lines with "shows"`},
		{"calm 9s\ncalm 9s", `p.plan:9:1: there are two lines with "calm"`},
		{"set pool=5", `p.plan:8:5: pool is set twice`},
		// Ranges of what is set.
		{"set x=9..2", `p.plan:8:7: set x=9..2: a range goes from a smaller value to a greater one`},
		{"set x=2..2", `p.plan:8:7: set x=2..2: a range goes from a smaller value to a greater one`},
		{"set x=9s..2s", `p.plan:8:7: set x=9s..2s: a range goes from a smaller value to a greater one`},
		{"set x=1..3000000000", `p.plan:8:7: set x=1..3000000000: want at most 2147483647`},
		// Nothing to draw from.
		{"from 1s to 2s draw 60000 kill\nfrom 1s to 2s draw 50000 kill", `p.plan:9:20: with what is drawn, the plan can have more than 100000 lines`},
	} {
		if got := refusal(t, head+c.text+"\n"); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestWhatCannotBeDrawnIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"node n\nfrom 1s to 2s draw 3 call", `p.plan:2:22: call: SERVICE cannot be drawn: no other line names a service`},
		{"node n\nfrom 1s to 2s draw 3 leave", `p.plan:2:22: leave: CLIENT cannot be drawn: there is no node of kind client`},
		{"from 1s to 2s draw 3 crash", `p.plan:1:22: crash: NODE cannot be drawn: there are no nodes`},
		{"node n\nfrom 1s to 2s draw 3 kill", `p.plan:2:22: kill: TO cannot be drawn: there are too few nodes`},
		{"node n\nfrom 1s to 2s draw 3 partition", `p.plan:2:22: partition: GROUP cannot be drawn: there are too few nodes`},
		{"node n m\nfrom 1s to 2s draw 3 partition n", `p.plan:2:32: partition: want at least 2 of GROUP: at TIME [for TIME] partition GROUP...`},
		{"node n m\nfrom 1s to 2s draw 3 partition n ?", `p.plan:2:34: partition: "?" stands for one, and there are several of GROUP: leave all of them out`},
		{"from 1s to 2s draw 3 fault", `p.plan:1:22: there is no fault that could be drawn from the nodes and names of this plan`},
		{"node n\nfrom 1s to 2s draw 3 wall n by=?\nat 3s say ?\nat 3s wall ?", `p.plan:4:12: there is no node "?"`},
	} {
		if got := refusal(t, c.text+"\n"); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestALineMaySpeakOfWhatALaterOneDeclares(t *testing.T) {
	mustCheck(t, "at 1s crash n1\nlink n*\ncalm 5s core=n0\nnode n count=2\n")
}

func TestTheLastMomentBeforeTheCalmIsWithinThePlan(t *testing.T) {
	mustCheck(t, head+`calm 9s
at 8.999999999s kill n0 n1
at 5s for 4s crash n0
at 5s..6s for 3s..20s crash n0
from 1s to 9s draw 3 kill
from 1s to 9s every 4s for 4s crash n1
then for 1m crash n0
`)
}

func TestASystemIsNamed(t *testing.T) {
	if name, err := SystemOf(mustParse(t, "plan p\nsystem \"a b\"\nsystem c")); name != "a b" || err != nil {
		t.Errorf("the system is %q, %v", name, err)
	}
	if _, err := SystemOf(mustParse(t, "plan p\nsystem\n")); err == nil || err.Error() != `p.plan: no line says which system it is for: "system NAME"` {
		t.Error(err)
	}
}

func TestAVerbSaysHowItIsUsed(t *testing.T) {
	voc := testVocabulary()
	for name, want := range map[string]string{
		"crash":     "at TIME [for TIME] crash NODE",
		"wall":      "at TIME wall NODE [by=1h]",
		"partition": "at TIME [for TIME] partition GROUP...",
		"order":     "at TIME order WHAT hot=YES|NO count=N",
		"reachable": "within TIME reachable [NODE]",
		"calm":      "calm TIME [core=NODES]",
		"say":       "at TIME say [TEXT] [MORE...]",
	} {
		if v, err := voc.verb(name); err != nil || v.Usage() != want {
			t.Errorf("%q, %v; want %q", v.Usage(), err, want)
		}
	}
}
