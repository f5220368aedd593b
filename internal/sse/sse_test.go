package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/internal/sse"
)

type event struct{ Name, Data string }

// readAll collects the events that carry data, and the error that ended them.
func readAll(r *sse.Reader) (evs []event, raw string, err error) {
	for {
		ev, err := r.Next()
		if err != nil {
			return evs, raw, err
		}
		raw += string(ev.Raw)
		if ev.Data != nil {
			evs = append(evs, event{string(ev.Name), string(ev.Data)})
		}
	}
}

func TestNextFollowsTheStandard(t *testing.T) {
	tests := map[string]struct {
		in   string
		want []event
		err  error
	}{
		"empty":                    {"", nil, io.EOF},
		"one":                      {"data: a\n\n", []event{{"", "a"}}, io.EOF},
		"no space after the colon": {"data:a\n\n", []event{{"", "a"}}, io.EOF},
		"only one space is cut":    {"data:  a\n\n", []event{{"", " a"}}, io.EOF},
		"named":                    {"event: ping\ndata: {}\n\n", []event{{"ping", "{}"}}, io.EOF},
		"crlf":                     {"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []event{{"x", "a"}, {"", "b"}}, io.EOF},
		"cr":                       {"event: x\rdata: a\r\rdata: b\r\r", []event{{"x", "a"}, {"", "b"}}, io.EOF},
		"mixed line ends":          {"data: a\r\ndata: b\rdata: c\n\r\n", []event{{"", "a\nb\nc"}}, io.EOF},
		"several data lines":       {"data: a\ndata:\ndata: c\n\n", []event{{"", "a\n\nc"}}, io.EOF},
		"comments":                 {": hello\n\n:\ndata: a\n: in between\n\n", []event{{"", "a"}}, io.EOF},
		"unknown fields":           {"id: 7\nretry: 10\ndat: no\ndata: a\n\n", []event{{"", "a"}}, io.EOF},
		"field without colon":      {"data\n\n", []event{{"", ""}}, io.EOF},
		"byte order mark":          {"\xef\xbb\xbfdata: a\n\n", []event{{"", "a"}}, io.EOF},
		"byte order mark later":    {"\n\xef\xbb\xbfdata: a\n\n", nil, io.EOF},
		"blank lines between":      {"\n\ndata: a\n\n\n\ndata: b\n\n", []event{{"", "a"}, {"", "b"}}, io.EOF},
		"cut in a line":            {"data: a\n\ndata: b", []event{{"", "a"}}, io.ErrUnexpectedEOF},
		"cut before the blank":     {"data: a\n\ndata: b\n", []event{{"", "a"}}, io.ErrUnexpectedEOF},
		"cut after a carriage":     {"data: a\r", nil, io.ErrUnexpectedEOF},
	}
	for name, tt := range tests {
		for how, wrap := range readers {
			t.Run(name+"/"+how, func(t *testing.T) {
				r := sse.NewReader(wrap(strings.NewReader(tt.in)), make([]byte, 8), 1<<10)
				got, _, err := readAll(r)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("ended with %v, want %v", err, tt.err)
				}
			})
		}
	}
}

var readers = map[string]func(io.Reader) io.Reader{
	"at once":          func(r io.Reader) io.Reader { return r },
	"byte by byte":     iotest.OneByteReader,
	"error with bytes": iotest.DataErrReader,
}

func TestCutEventIsHandedOver(t *testing.T) {
	for _, in := range []string{"data: [DONE]", "data: [DONE]\n", "data: [DONE]\r", "event: x\ndata: [DONE]"} {
		r := sse.NewReader(strings.NewReader(in), nil, 64)
		ev, err := r.Next()
		if string(ev.Data) != "[DONE]" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: got data %q and %v", in, ev.Data, err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q: then %v, want EOF", in, err)
		}
	}
}

func TestRawIsContiguousAndComplete(t *testing.T) {
	in := ": c\n\ndata: a\n\ndata: b\r\n\r\ndata: c\n\n"
	r := sse.NewReader(strings.NewReader(in), nil, 1<<10)
	first, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	run := first.Raw
	for r.Buffered() {
		ev, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		run = run[:len(run)+len(ev.Raw)]
	}
	if string(run) != in {
		t.Errorf("got %q, want %q", run, in)
	}
}

func TestLimit(t *testing.T) {
	fits := "data: " + strings.Repeat("x", 90) + "\n\n"
	long := "data: " + strings.Repeat("x", 200) + "\n\n"
	r := sse.NewReader(strings.NewReader(fits+long), make([]byte, 16), 100)
	if _, err := r.Next(); err != nil {
		t.Fatalf("an event within the limit: %v", err)
	}
	if _, err := r.Next(); !errors.Is(err, sse.ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
	if r.Size() > 128 {
		t.Errorf("holds %d bytes for a limit of 100", r.Size())
	}
}

func TestSourceErrorsComeThrough(t *testing.T) {
	boom := errors.New("boom")
	src := io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(boom))
	got, _, err := readAll(sse.NewReader(src, nil, 64))
	if len(got) != 1 || !errors.Is(err, boom) {
		t.Errorf("got %v and %v", got, err)
	}
	if _, err := sse.NewReader(stuck{}, nil, 64).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never reads: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestResetForgets(t *testing.T) {
	r := sse.NewReader(strings.NewReader("data: secret\n\ndata: more sec"), nil, 64)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader("data: mine\n\n"))
	got, raw, err := readAll(r)
	if !errors.Is(err, io.EOF) || raw != "data: mine\n\n" || len(got) != 1 {
		t.Errorf("got %v, raw %q, %v", got, raw, err)
	}
}

// FuzzReader: any bytes in any pieces give the same events as a plain reading
// of the standard, and the raw bytes are those of the input.
func FuzzReader(f *testing.F) {
	f.Add([]byte("data: a\r\n\r\nevent: b\ndata: c\ndata: d\n\n"), byte(3))
	f.Add([]byte("\xef\xbb\xbf: x\r\rdata\r\n\n"), byte(1))
	f.Fuzz(func(t *testing.T, in []byte, piece byte) {
		src := &pieces{b: in, n: int(piece)%7 + 1}
		got, raw, err := readAll(sse.NewReader(src, make([]byte, 4), len(in)+8))
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(string(in)), got); diff != "" {
			t.Fatalf("%q (-plain +got):\n%s", in, diff)
		}
		strip := func(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }
		if want := strip(strings.TrimPrefix(string(in), "\xef\xbb\xbf")); !strings.HasPrefix(want, strip(raw)) {
			t.Fatalf("raw %q is not of %q", raw, in)
		}
	})
}

type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// plain reads a whole stream the slow way.
func plain(s string) (evs []event) {
	s = strings.TrimPrefix(s, "\xef\xbb\xbf")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	var ev event
	var lines []string
	all := strings.Split(s, "\n")
	for _, line := range all[:len(all)-1] { // the last one is not ended
		if line == "" {
			if lines != nil {
				ev.Data = strings.Join(lines, "\n")
				evs = append(evs, ev)
			}
			ev, lines = event{}, nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			ev.Name = value
		case "data":
			lines = append(lines, value)
		}
	}
	return evs
}

func BenchmarkReader32Events(b *testing.B) {
	var in bytes.Buffer
	for i := range 32 {
		fmt.Fprintf(&in, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word %d\"},\"finish_reason\":null}]}\n\n", i)
	}
	src := bytes.NewReader(nil)
	r := sse.NewReader(src, make([]byte, 16<<10), 1<<20)
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(in.Bytes())
		r.Reset(src)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
