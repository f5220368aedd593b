package e2e

import (
	"fmt"
	"testing"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

// What a search learned of the models is stored: after a restart only the wish
// is asked for. It is the same over PostgreSQL with pgvector.
func TestVectorsOutliveTheGateway(t *testing.T) {
	database := testserver.VectorDatabase(t)
	lab := upstream(t, mock.Profile{Name: "vectors"})
	config := func(store string) string {
		return writeFile(t, "likeness.yaml", fmt.Sprintf(`
store: %s
models:
  - {model_id: vectors, provider: lab, task_types: [embeddings], status: active}
  - {model_id: numbers, provider: lab, task_types: [chat-completions], status: active}
  - {model_id: numerals, provider: lab, task_types: [chat-completions], status: active}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: vectors, upstream: vectors, pricing: {request_usd: 1}}
embeddings: {model: vectors}
`, store, lab))
	}
	var answers []string
	for _, store := range []string{"sqlite", database} {
		data, file := t.TempDir(), config(store)
		for _, paid := range []model.Money{3 * model.USD, 5 * model.USD} { // two wishes each, and the records once
			p := start(t, data, "--config", file)
			for _, query := range []string{"similar=numbers", "similar_to=numbers"} {
				var found struct {
					Method string
					Hits   []struct {
						Model struct {
							ID string `json:"model_id"`
						}
						Score float64
					}
				}
				p.get("/api/v1/models?filter=provider%3Dlab&"+query, &found)
				if found.Method != "embeddings" {
					t.Errorf("%s: %+v", query, found)
				}
				answers = append(answers, fmt.Sprint(found.Hits))
			}
			if got := p.costTotal(); got != paid {
				t.Errorf("%s: %s is paid, want %s", store, got, paid)
			}
			p.stop()
		}
	}
	for i := 2; i < len(answers); i++ {
		if answers[i] != answers[i-2] {
			t.Errorf("found\n%s\nthen\n%s", answers[i-2], answers[i])
		}
	}
}
