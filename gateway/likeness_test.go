package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// A search that asks a model is calls of whoever searches: with their limits,
// and only for who may send calls.
func TestSearchByLikenessIsCallsOfTheSearcher(t *testing.T) {
	w, kw := newWorldWithKeys(t, func(c *Config) { c.Embeddings = Embeddings{Model: "vectors"} })
	var served []*model.Call
	made := 0
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		served = append(served, call)
		vector := `{"index":%,"embedding":[1,2]}`
		items := make([]string, max(call.Texts, 1))
		for i := range items {
			items[i] = strings.Replace(vector, "%", string(rune('0'+i)), 1)
		}
		return &model.Record{State: model.StateCompleted}, out.Answer(cartrita.Info{}, http.StatusOK, nil, []byte(`{"data":[`+strings.Join(items, ",")+`]}`))
	}
	search := func(role key.Role, f key.Fields) (answer string, id model.KeyID) {
		made++
		f.Name, f.Role = ptr(fmt.Sprint("key ", made)), ptr(role)
		id, token := kw.make(t, f)
		served = nil
		return text(t, w.do("GET", "/api/v1/models?similar=numbers", "", "Authorization", "Bearer "+token, "X-Cartrita-Workflow-Run", "run-7")), id
	}
	got, id := search(key.RoleOperator, key.Fields{})
	if !strings.Contains(got, `"method":"embeddings"`) || len(served) != 2 {
		t.Fatalf("%d calls: %s", len(served), got)
	}
	for _, c := range served {
		if c.Model != "vectors" || c.Surface != model.SurfaceEmbeddings || c.Caller.Key != id || c.Criteria.Context.WorkflowRunID != "run-7" {
			t.Errorf("%+v", c)
		}
	}
	if served[0].ID == served[1].ID || served[1].Texts != 3 {
		t.Errorf("the wish: %+v, the records: %+v", served[0], served[1])
	}
	if got, _ = search(key.RoleViewer, key.Fields{}); !strings.Contains(got, `"method":"features"`) || !strings.Contains(got, "role viewer") || len(served) != 0 {
		t.Errorf("a viewer: %d calls: %s", len(served), got)
	}
	if got, _ = search(key.RoleOperator, key.Fields{Limits: &key.Limits{Tokens: 1}}); !strings.Contains(got, `"method":"features"`) || !strings.Contains(got, "limit of 1 tokens") || len(served) != 0 {
		t.Errorf("past a limit: %d calls: %s", len(served), got)
	}
}

func TestVectors(t *testing.T) {
	got, err := vectors([]byte(`{"data":[{"index":1,"embedding":[3]},{"index":0,"embedding":[1,2]}]}`), 2)
	if err != nil || len(got) != 2 || got[0][1] != 2 || got[1][0] != 3 {
		t.Errorf("%v, %v", got, err)
	}
	for _, answer := range []string{
		"{}", "no", `{"data":[{"index":0,"embedding":[1]}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[]}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}`,
	} {
		if _, err := vectors([]byte(answer), 2); model.KindOf(err) != model.KindUpstream {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
