// Package providertest is the suite of behaviour that every provider passes:
// the same questions, asked of recordings in the vendor's own wire shape, must
// give the same answers in OpenAI's.
//
// An implementation runs it from one test:
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, providertest.Vendor{New: …, Endpoint: …, Dir: "testdata/conformance"})
//	}
//
// # Recordings
//
// Dir holds one file per scenario, named after it. The text before the first
// section is comment. The section "response" is written by hand: a status line,
// headers, a blank line and the body as the vendor sends it. The sections
// "request" and "answer" are golden: what the client sent, and what its caller
// got, chunk by chunk. Run with Update set writes them.
//
// What a scenario's recording must say is in Scenarios; the suite checks that
// the client brought it over. Beyond the recordings, it cuts the stream at
// every byte, lets it hang, cancels it, closes it early, redirects it, and
// checks that no goroutine or connection is left and that no key leaks.
package providertest

import (
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

// Vendor is an implementation under test.
type Vendor struct {
	// New makes a client. The suite sets the transport, the limits and the
	// source of credentials.
	New func(t testing.TB, cfg upstream.Config) provider.Client
	// Endpoint is what is called; the suite puts its own server's URL before
	// the path that BaseURL holds.
	Endpoint model.Endpoint
	Dir      string // of the recordings
	Update   bool   // write the golden sections
	// Lacks names scenarios that the vendor's API has no counterpart for, with
	// the reason. They have no recording.
	Lacks map[string]string
}

// Scenario is one question and what is expected of its answer.
type Scenario struct {
	Name    string
	Surface model.Surface
	Task    model.Task
	Stream  bool
	Body    string // in OpenAI's shape

	// Of an answer:
	Text      string // what the model said
	Reasoning string
	Tools     []ToolCall
	Finish    string // finish_reason; "" is not checked
	Vectors   int    // embeddings
	Usage     model.Usage

	// Of a refusal; Kind is meaningful if Fails.
	Fails      bool
	Kind       model.Kind
	RetryAfter time.Duration
	// After content: the error comes within a stream that already has content.
	AfterContent bool
}

// ToolCall is a call of a tool by the model.
type ToolCall struct{ Name, Arguments string }

// Secret is the key that the suite's endpoints use.
const Secret = "sk-conformance-0123456789"

// Run runs the suite.
func Run(t *testing.T, v Vendor) {
	t.Run("recordings are complete", func(t *testing.T) { checkFiles(t, v) })
	for _, sc := range Scenarios() {
		if _, lacks := v.Lacks[sc.Name]; lacks {
			continue
		}
		t.Run(sc.Name, func(t *testing.T) { runScenario(t, v, sc) })
	}
	if _, lacks := v.Lacks["stream"]; !lacks {
		runStreams(t, v)
	}
	t.Run("credential", func(t *testing.T) { testCredential(t, v) })
	t.Run("redirect", func(t *testing.T) { testRedirect(t, v) })
	t.Run("unreachable", func(t *testing.T) { testUnreachable(t, v) })
	t.Run("parallel", func(t *testing.T) { testParallel(t, v) })
}

func checkFiles(t *testing.T, v Vendor) {
	want := map[string]bool{}
	for _, sc := range Scenarios() {
		_, lacks := v.Lacks[sc.Name]
		want[sc.Name] = !lacks
	}
	for name := range v.Lacks {
		if _, known := want[name]; !known {
			t.Errorf("Lacks names %q, which is no scenario", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(v.Dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", v.Dir, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		if !want[name] {
			t.Errorf("%s is not the recording of a scenario", f)
		}
	}
	var missing []string
	for name, wanted := range want {
		if _, err := os.Stat(v.file(name)); wanted && err != nil {
			missing = append(missing, name)
		}
	}
	if sort.Strings(missing); missing != nil {
		t.Errorf("no recordings of: %s", strings.Join(missing, ", "))
	}
}

func (v Vendor) file(name string) string { return filepath.Join(v.Dir, name+".txt") }

// client makes a client whose open connections are closed with the test.
func (v Vendor) client(t testing.TB, cfg upstream.Config) provider.Client {
	if cfg.Credentials == nil {
		cfg.Credentials = func(string) (string, error) { return Secret, nil }
	}
	c := v.New(t, cfg)
	if closer, ok := c.(interface{ Close() error }); ok {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return c
}

// endpoint is the vendor's endpoint at another server.
func (v Vendor) endpoint(server string) *model.Endpoint {
	ep := v.Endpoint
	ep.BaseURL = server + ep.BaseURL
	if ep.Credential == "" {
		ep.Credential = "env:CONFORMANCE_KEY"
	}
	return &ep
}

// Call makes the call of the scenario.
func (sc Scenario) Call(t testing.TB) *model.Call {
	body, err := jsonscan.Parse([]byte(sc.Body))
	if err != nil {
		t.Fatalf("scenario %s: %v", sc.Name, err)
	}
	return &model.Call{ID: model.CallID{1}, Surface: sc.Surface, Task: sc.Task, Body: body,
		Model: "auto", Stream: sc.Stream, PromptBytes: int64(len(sc.Body))}
}

// leakCheck fails the test if goroutines are left at its end.
func leakCheck(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// roundTripper is a transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
