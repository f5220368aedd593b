package providertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// recording is one file.
type recording struct {
	path     string
	comment  string
	response string
	golden   map[string]string // "request", "answer"
}

var sectionLine = regexp.MustCompile(`(?m)^-- (response|request|answer) --\n`)

func load(t testing.TB, path string) *recording {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{path: path, golden: map[string]string{}}
	heads := sectionLine.FindAllSubmatchIndex(b, -1)
	if len(heads) == 0 {
		t.Fatalf("%s has no sections", path)
	}
	r.comment = string(b[:heads[0][0]])
	for i, h := range heads {
		end := len(b)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name, text := string(b[h[2]:h[3]]), string(b[h[1]:end])
		if name == "response" {
			r.response = text
		} else {
			r.golden[name] = text
		}
	}
	return r
}

// check compares a golden section, or takes the new text.
func (r *recording) check(t testing.TB, update bool, section, got string) {
	t.Helper()
	got = strings.TrimRight(got, "\n") + "\n"
	if update {
		r.golden[section] = got
		text := r.comment + "-- response --\n" + r.response
		for _, s := range []string{"request", "answer"} {
			if r.golden[s] != "" {
				text += "-- " + s + " --\n" + r.golden[s]
			}
		}
		if err := os.WriteFile(r.path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := r.golden[section]; want != got {
		t.Errorf("%s, section %s is\n%s\nwant\n%s", r.path, section, got, want)
	}
}

// parsed is the response of a recording.
type parsed struct {
	status int
	header http.Header
	body   []byte
}

func (r *recording) parse(t testing.TB) parsed {
	t.Helper()
	head, body, ok := strings.Cut(r.response, "\n\n")
	if !ok {
		t.Fatalf("%s: the response has no blank line after its headers", r.path)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n")), nil)
	if err != nil {
		t.Fatalf("%s: %v", r.path, err)
	}
	return parsed{resp.StatusCode, resp.Header, []byte(body)}
}

// server plays one response and remembers the last request.
type server struct {
	*httptest.Server
	opened  atomic.Int32 // connections
	mu      sync.Mutex
	request string
	// cut is after how many bytes of the body the answer ends; negative: never.
	cut   int
	abort bool // end by closing the connection instead of properly
}

// end sets where and how the next answers end.
func (s *server) end(cut int, abort bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut, s.abort = cut, abort
}

func play(t testing.TB, p parsed) *server {
	s := &server{cut: -1}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		cut, abort := s.note(req)
		for name, values := range p.header {
			w.Header()[name] = values
		}
		w.WriteHeader(p.status)
		body := p.body
		if cut >= 0 {
			body = body[:cut]
		}
		if strings.HasPrefix(p.header.Get("Content-Type"), "text/event-stream") {
			playEvents(w, body)
		} else {
			_, _ = w.Write(body)
		}
		if abort {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// playEvents sends events with a flush after each.
func playEvents(w http.ResponseWriter, body []byte) {
	for len(body) > 0 {
		n := len(body)
		if i := bytes.Index(body, []byte("\n\n")); i >= 0 {
			n = i + 2
		}
		_, _ = w.Write(body[:n])
		_ = http.NewResponseController(w).Flush()
		body = body[n:]
	}
}

// note writes the request down, without what varies, and says how to end.
func (s *server) note(req *http.Request) (cut int, abort bool) {
	body, _ := io.ReadAll(req.Body)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", req.Method, req.URL.RequestURI())
	for _, name := range []string{"Accept", "Api-Key", "Authorization", "Content-Type", "Anthropic-Version", "Anthropic-Beta", "X-Api-Key"} {
		if v := req.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", indent(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.request = b.String()
	return s.cut, s.abort
}

func (s *server) lastRequest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.request
}
