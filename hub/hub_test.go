package hub

import (
	"fmt"
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		check     func(m *model.Model) bool
	}{
		{"modelId is the older name", `{"modelId":"a/b","pipeline_tag":"text-generation"}`, func(m *model.Model) bool { return m.ID == "huggingface/a/b" && m.Name == "b" }},
		{"licence from the tags", `{"id":"a/b","pipeline_tag":"translation","tags":["license:cc-by-nc-4.0"]}`, func(m *model.Model) bool {
			return m.License == "cc-by-nc-4.0" && m.CommercialAllowed != nil && !*m.CommercialAllowed
		}},
		{"other licence by name", `{"id":"a/b","pipeline_tag":"translation","cardData":{"license":"other","license_name":"qwen-research"}}`, func(m *model.Model) bool {
			return m.License == "qwen-research" && m.CommercialAllowed != nil && !*m.CommercialAllowed
		}},
		{"licence nobody knows", `{"id":"a/b","pipeline_tag":"translation","cardData":{"license":"unknown"}}`, func(m *model.Model) bool { return m.License == "" && m.CommercialAllowed == nil }},
		{"chat template makes a chat model", `{"id":"a/b","pipeline_tag":"text-generation","config":{"tokenizer_config":{"chat_template":"x"}}}`, func(m *model.Model) bool { return len(m.Tasks) == 6 }},
		{"context in the text configuration", `{"id":"a/b","pipeline_tag":"image-text-to-text","config":{"text_config":{"max_position_embeddings":4096,"num_experts":64}}}`, func(m *model.Model) bool {
			return *m.ContextLength == 4096 && m.Architecture == model.ArchMoE && m.InputModalities[1] == "image"
		}},
		{"GGUF", `{"id":"a/b","pipeline_tag":"text-generation","gguf":{"total":1235814432,"context_length":131072}}`, func(m *model.Model) bool {
			return *m.ParametersBillion == 1.24 && *m.ContextLength == 131072
		}},
		{"packed weights are not counted", `{"id":"a/b","pipeline_tag":"text-generation","safetensors":{"total":9,"parameters":{"I32":9}}}`, func(m *model.Model) bool { return m.ParametersBillion == nil }},
		{"disabled", `{"id":"a/b","pipeline_tag":"text-generation","disabled":true}`, func(m *model.Model) bool { return m.Status == model.StatusRetired }},
	} {
		m, err := Decode([]byte(c.doc))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !c.check(m) {
			t.Errorf("%s: got %+v", c.name, m)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for doc, param := range map[string]string{
		`{`:                              "",
		`{"pipeline_tag":"translation"}`: "id",
		`{"id":"a b","pipeline_tag":"translation"}`: "id",
		`{"id":"a/b"}`: ParamPipelineTag,
		`{"id":"a/b","pipeline_tag":"image-segmentation"}`: ParamPipelineTag,
		`{"id":"a/b","safetensors":{"total":"many"}}`:      "",
	} {
		_, err := Decode([]byte(doc))
		if model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != param {
			t.Errorf("%s: got %v: want KindInvalid about %q", doc, err, param)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a/b","pipeline_tag":"text-generation","cardData":{"license":["mit"]},"safetensors":{"total":1}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := Decode(doc)
		if (m == nil) == (err == nil) {
			t.Errorf("want a record or an error: %v, %v", m, err)
		}
		if m != nil && (m.ID == "" || len(m.Tasks) == 0 || m.ParametersBillion != nil && *m.ParametersBillion <= 0) {
			t.Errorf("%s: not a record: %+v", doc, m)
		}
	})
}

func ExampleDecode() {
	m, err := Decode([]byte(`{
		"id": "mistralai/Mixtral-8x7B-Instruct-v0.1", "pipeline_tag": "text-generation",
		"cardData": {"license": "apache-2.0"},
		"config": {"architectures": ["MixtralForCausalLM"], "max_position_embeddings": 32768, "num_local_experts": 8},
		"safetensors": {"total": 46702792704}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.ID, m.License, *m.CommercialAllowed, *m.ParametersBillion, *m.ContextLength, m.Architecture)
	// Output: huggingface/mistralai/Mixtral-8x7B-Instruct-v0.1 apache-2.0 true 46.7 32768 mixture-of-experts
}

func TestSeveralLicencesMustAllAllow(t *testing.T) {
	for _, c := range []struct {
		license string
		want    string
	}{
		{`["apache-2.0"]`, "true"},
		{`["apache-2.0","mit"]`, "true"},
		{`["apache-2.0","cc-by-nc-4.0"]`, "false"},
		{`["apache-2.0","some-new-licence"]`, "unknown"},
	} {
		m, err := Decode([]byte(`{"id":"a/b","pipeline_tag":"text-generation","cardData":{"license":` + c.license + `},
			"safetensors":{"total":22700000,"parameters":{"I64":512,"F32":22699488}},"config":{"chat_template_jinja":null}}`))
		if err != nil {
			t.Fatal(err)
		}
		got := "unknown"
		if m.CommercialAllowed != nil {
			got = fmt.Sprint(*m.CommercialAllowed)
		}
		if got != c.want {
			t.Errorf("%s: commercial use %s, want %s", c.license, got, c.want)
		}
		if m.ParametersBillion == nil || *m.ParametersBillion != 0.0227 {
			t.Errorf("position ids made the size unknown: %v", m.ParametersBillion)
		}
	}
}
