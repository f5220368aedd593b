package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func TestTableOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out, tty: true, width: 30}
	tb := p.table("~name", ">cost", "note")
	tb.row("a-rather-long-model-name-indeed", "$1", "ok")
	tb.styled(cell{text: "short"}, cell{text: "$1.25"}, cell{"bad", red})
	tb.flush()
	want := "NAME                COST  NOTE\n" +
		"a-rather-long-mo…     $1  ok\n" +
		"short              $1.25  bad\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p.color = true
	out.Reset()
	tb.flush()
	if !strings.Contains(out.String(), "\x1b[31mbad\x1b[0m") || !strings.Contains(out.String(), "\x1b[1mNAME\x1b[0m") {
		t.Errorf("no colour: %q", out.String())
	}
}

func TestTableElsewhere(t *testing.T) {
	var out bytes.Buffer
	tb := (&printer{out: &out}).table("~name", ">cost")
	tb.row("a\tb\nc", "$1")
	tb.flush()
	if got := out.String(); got != "NAME\tCOST\na b c\t$1\n" {
		t.Errorf("got %q", got)
	}
}

// What somebody stored does not command the terminal of who reads it.
func TestTableObeysNothing(t *testing.T) {
	for _, tty := range []bool{true, false} {
		var out bytes.Buffer
		p := &printer{out: &out, tty: tty, width: 80}
		tb := p.table("~name", "note")
		tb.row("a\x1b[2J\r\u009b31mb", "x\ty\nz\x7f")
		tb.flush()
		p.facts([][2]string{{"reason", "\x1b]0;title\x07"}})
		for _, r := range out.String() {
			if unicode.IsControl(r) && r != '\n' && (tty || r != '\t') {
				t.Fatalf("tty %t: %q", tty, out.String())
			}
		}
		if !strings.Contains(out.String(), "x y z\ufffd") {
			t.Errorf("tty %t: %q", tty, out.String())
		}
	}
}

// Lines of a table fit the terminal while its columns that give are wide
// enough, and are equally wide up to the last column.
func TestTableFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		p := &printer{out: &out, tty: true, width: rapid.IntRange(40, 120).Draw(t, "width")}
		tb := p.table("~a", ">b", "~c")
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			tb.row(rapid.StringMatching(`[a-zä]{0,60}`).Draw(t, "a"), rapid.StringMatching(`[0-9]{0,8}`).Draw(t, "b"), rapid.StringMatching(`[a-z→]{0,60}`).Draw(t, "c"))
		}
		tb.flush()
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > p.width {
				t.Fatalf("a line of %d on a terminal of %d: %q", n, p.width, line)
			}
		}
	})
}

func TestColor(t *testing.T) {
	for _, c := range []struct {
		flag    string
		environ []string
		tty     bool
		want    bool
	}{
		{"auto", nil, true, true},
		{"auto", nil, false, false},
		{"auto", []string{"NO_COLOR=1"}, true, false},
		{"auto", []string{"TERM=dumb"}, true, false},
		{"auto", []string{"CARTRITA_COLOR=always"}, false, true},
		{"always", []string{"NO_COLOR=1"}, false, true},
		{"never", nil, true, false},
	} {
		a := &app{environ: c.environ}
		if got := a.useColor(c.flag, c.tty); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{model.Invalidf("config.Load", "listen", "want host:port"), "cartrita: listen: want host:port\n"},
		{os.ErrPermission, "cartrita: permission denied\n"},
		{
			&model.Error{Kind: model.KindNoCandidate, Message: "nobody can", Details: json.RawMessage(`{"excluded":[{"endpoint":"a/b","filter":"max_cost","reason":"costs $2"}]}`)},
			"cartrita: nobody can\n  a/b: max_cost: costs $2\n",
		},
		{&model.Error{Kind: model.KindNotFound, Message: "did you mean a?", Details: json.RawMessage(`["a"]`)}, "cartrita: did you mean a?\n"},
		{
			&model.Error{Kind: model.KindInvalid, Message: "2 wrong", Details: json.RawMessage(`{"errors":[{"entry":"[0]","problems":[{"path":"a","message":"is odd"},{"path":"b","message":"is \"old\""}]},{"entry":"[1]"}]}`)},
			"cartrita: 2 wrong\n  [0]: a: is odd\n  [0]: b: is \"old\"\n  [1]\n",
		},
		{&model.Error{Kind: model.KindInvalid, Message: "no", Details: json.RawMessage(`{"considered":6,"excluded_by":{"max_cost":6},"odd":[{"size":1000000,"age":7}]}`)}, "cartrita: no\n  age 7, size 1000000\n"},
		{&partlyError{"1 wrong record left out"}, "1 wrong record left out\n"},
	} {
		var out bytes.Buffer
		(&printer{err: &out}).fail(c.err)
		if out.String() != c.want {
			t.Errorf("got %q, want %q", out.String(), c.want)
		}
	}
}

func TestRawRefusesWhatIsNotJSON(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out}
	if err := p.raw([]byte("<html>")); model.KindOf(err) != model.KindUpstream || out.Len() > 0 {
		t.Errorf("got %v and %q", err, out.String())
	}
}
