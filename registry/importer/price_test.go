package importer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

func liteLLMEntry(t *testing.T, entry string) Record {
	t.Helper()
	f, err := Parse(LiteLLM, []byte(`{"openai/m": {"litellm_provider":"openai","mode":"chat",`+entry+`}}`), options(t, "litellm.json"))
	if err != nil || len(f.Records) != 1 {
		t.Fatal(err, f)
	}
	return f.Records[0]
}

func TestLiteLLMPrices(t *testing.T) {
	r := liteLLMEntry(t, `"input_cost_per_token":2.5e-06,"output_cost_per_token":1.5e-05,"cache_read_input_token_cost":2.5e-07,
		"cache_creation_input_token_cost":3e-06,"cache_creation_input_token_cost_above_1hr":5e-06,
		"output_cost_per_reasoning_token":2e-05,"input_cost_per_audio_token":4e-05,"output_cost_per_audio_token":8e-05,"output_cost_per_image_token":3e-05,
		"input_cost_per_token_above_272k_tokens":5e-06,"output_cost_per_token_above_272k_tokens":2.25e-05,
		"cache_creation_input_token_cost_above_1hr_above_200k_tokens":9e-06,
		"input_cost_per_token_batches":1.25e-06,"output_cost_per_token_flex":7.5e-06,
		"input_cost_per_token_above_272k_tokens_priority":1e-05,"output_cost_per_second":0.001`)
	if r.Model == nil {
		t.Fatal(r.Problems)
	}
	got, _ := json.Marshal(r.Model.Pricing)
	want := `{"input_usd_per_million":2.5,"output_usd_per_million":15,"cached_read_usd_per_million":0.25,"cache_write_usd_per_million":3,` +
		`"cache_write_long_usd_per_million":5,"reasoning_usd_per_million":20,"audio_input_usd_per_million":40,"audio_output_usd_per_million":80,"image_output_usd_per_million":30,` +
		`"tiers":[{"above_input_tokens":200000,"cache_write_long_usd_per_million":9},{"above_input_tokens":272000,"input_usd_per_million":5,"output_usd_per_million":22.5},` +
		`{"service_tier":"batch","input_usd_per_million":1.25},{"service_tier":"flex","output_usd_per_million":7.5},` +
		`{"above_input_tokens":272000,"service_tier":"priority","input_usd_per_million":10}],"second_usd":0.001,"source":"litellm"}`
	if string(got) != want {
		t.Errorf("pricing\n%s\nwant\n%s", got, want)
	}
	for _, name := range r.Ignored {
		if strings.Contains(name, "cost") {
			t.Errorf("%s was ignored", name)
		}
	}
}

// bifrost#3559: a price per million tokens where one per token was meant.
func TestPricePerMillionIsNoPricePerToken(t *testing.T) {
	r := liteLLMEntry(t, `"input_cost_per_token":0.15,"output_cost_per_token":6e-07`)
	if r.Model != nil || len(r.Problems) != 1 || r.Problems[0].Path != "input_cost_per_token" || !strings.Contains(r.Problems[0].Message, "per million") {
		t.Errorf("model %+v, problems %+v: want the price refused", r.Model, r.Problems)
	}
	if r := liteLLMEntry(t, `"input_cost_per_token":0.0006,"output_cost_per_token":0.0006`); r.Model == nil || *r.Model.Pricing.Input != 600*model.USD {
		t.Errorf("$600 per million tokens, which is a price, was refused: %+v", r.Problems)
	}
}

// A second of a recording is not a second that a call takes.
func TestPricePerSecondOfSound(t *testing.T) {
	f, err := Parse(LiteLLM, []byte(`{"openai/w": {"litellm_provider":"openai","mode":"audio_transcription","input_cost_per_second":0.0001,"output_cost_per_second":0.0001}}`), options(t, "litellm.json"))
	if err != nil || f.Records[0].Model == nil || f.Records[0].Model.Pricing != nil {
		t.Errorf("%v, %+v: want a model without a price", err, f.Records[0])
	}
}
