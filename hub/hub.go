package hub

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Source is the Source of the records.
const Source = "huggingface"

// Provider is the provider of the records: listings of the Hub are served by
// Hugging Face's own router.
const Provider = "huggingface"

// ParamPipelineTag is the Param of the error about a model whose pipeline tag
// has no task type here: such a model is not wrong, only of no use.
const ParamPipelineTag = "pipeline_tag"

// Info is the part of the Hub's model information that is read.
type Info struct {
	ID          string      `json:"id"`
	ModelID     string      `json:"modelId"` // the older name of id
	PipelineTag string      `json:"pipeline_tag"`
	Tags        []string    `json:"tags"`
	CardData    CardData    `json:"cardData"`
	Safetensors Safetensors `json:"safetensors"`
	GGUF        GGUF        `json:"gguf"`
	Config      Config      `json:"config"`
	Disabled    bool        `json:"disabled"`
}

// CardData is the header of a model card, as its author wrote it.
type CardData struct {
	License     texts  `json:"license"`
	LicenseName string `json:"license_name"`
	PipelineTag string `json:"pipeline_tag"`
	ContextLen  int64  `json:"context_length"`
}

// Safetensors counts the elements of the weights by number format.
type Safetensors struct {
	Total      int64            `json:"total"`
	Parameters map[string]int64 `json:"parameters"`
}

// GGUF describes weights in llama.cpp's format.
type GGUF struct {
	Total         int64 `json:"total"`
	ContextLength int64 `json:"context_length"`
}

// Config is the model's own configuration, as far as the Hub shows it.
type Config struct {
	Architectures    []string        `json:"architectures"`
	ModelType        string          `json:"model_type"`
	IsEncoderDecoder bool            `json:"is_encoder_decoder"`
	MaxPositions     int64           `json:"max_position_embeddings"`
	NPositions       int64           `json:"n_positions"`
	MaxSeqLen        int64           `json:"max_seq_len"`
	SeqLength        int64           `json:"seq_length"`
	LocalExperts     int64           `json:"num_local_experts"`
	Experts          int64           `json:"num_experts"`
	RoutedExperts    int64           `json:"n_routed_experts"`
	Quantization     *quantization   `json:"quantization_config"`
	TextConfig       *Config         `json:"text_config"`
	ChatTemplate     json.RawMessage `json:"chat_template_jinja"`
	Tokenizer        struct {
		ChatTemplate json.RawMessage `json:"chat_template"`
	} `json:"tokenizer_config"`
}

type quantization struct {
	Method string `json:"quant_method"`
}

// texts reads a text or a list of texts: authors write both.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(t))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s != "" {
		*t = texts{s}
	}
	return nil
}

// Decode reads one answer of /api/models/{id}. Errors are KindInvalid.
func Decode(raw []byte) (*model.Model, error) {
	const op = "hub.Decode"
	var i Info
	if err := json.Unmarshal(raw, &i); err != nil {
		return nil, model.Invalidf(op, "", "not model information of the Hugging Face Hub: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return i.Record()
}

// Record makes the registry's record. Errors are KindInvalid.
func (i *Info) Record() (*model.Model, error) {
	const op = "hub.Decode"
	id := i.ID
	if id == "" {
		id = i.ModelID
	}
	if id == "" || strings.ContainsAny(id, " \t\n\r") {
		return nil, model.Invalidf(op, "id", "want the model's id such as org/name, got %q", id)
	}
	tag := i.PipelineTag
	if tag == "" {
		tag = i.CardData.PipelineTag
	}
	m := &model.Model{
		ID: model.ModelID(Provider + "/" + id), Provider: Provider, Upstream: id, Source: Source,
		Name: id[strings.LastIndexByte(id, '/')+1:], Architecture: i.architecture(),
	}
	m.Tasks = tasks(tag, i.hasChatTemplate())
	if m.Tasks == nil {
		return nil, model.Invalidf(op, ParamPipelineTag, "pipeline tag %q has no task type: known are %s", tag, strings.Join(PipelineTags(), ", "))
	}
	m.InputModalities, m.OutputModalities = modalities(tag)
	if slices.Contains(m.InputModalities, "image") && slices.Contains(m.Tasks, model.TaskChat) {
		m.Features = []model.Feature{model.FeatureVision}
	}
	m.License = i.license()
	m.CommercialAllowed = i.commercial()
	m.ParametersBillion = i.parameters()
	m.ContextLength = i.contextLength()
	m.Quantizations = i.quantizations()
	if i.Disabled {
		m.Status = model.StatusRetired
	}
	return m, nil
}

func (i *Info) hasChatTemplate() bool {
	return given(i.Config.Tokenizer.ChatTemplate) || given(i.Config.ChatTemplate) || slices.Contains(i.Tags, "conversational")
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// commercial says whether every licence of the card allows commercial use; nil
// when one of them is not known to, and none forbids it.
func (i *Info) commercial() *bool {
	if len(i.CardData.License) < 2 {
		return Commercial(i.license())
	}
	all := true
	verdict := &all
	for _, name := range i.CardData.License {
		switch allowed := Commercial(strings.ToLower(name)); {
		case allowed == nil:
			verdict = nil
		case !*allowed:
			return allowed
		}
	}
	return verdict
}

// license is the card's licence, or the one in the tags; "other" is replaced
// by the name that its author gave it.
func (i *Info) license() string {
	name := ""
	if len(i.CardData.License) > 0 {
		name = strings.Join(i.CardData.License, " and ")
	}
	for _, t := range i.Tags {
		if l, ok := strings.CutPrefix(t, "license:"); ok && name == "" {
			name = l
		}
	}
	if (name == "other" || name == "") && i.CardData.LicenseName != "" {
		name = i.CardData.LicenseName
	}
	if name == "unknown" || len(name) > 100 {
		return ""
	}
	return strings.ToLower(name)
}

// parameters returns the count in billions to three significant digits.
func (i *Info) parameters() *float64 {
	n := i.Safetensors.Total
	for format := range i.Safetensors.Parameters {
		if format == "I32" || format == "U8" { // several weights packed into one number; I64 are positions
			n = 0
		}
	}
	if n <= 0 {
		n = i.GGUF.Total
	}
	if n <= 0 {
		return nil
	}
	b := float64(n) / 1e9
	scale := math.Pow(10, 2-math.Floor(math.Log10(b)))
	b = math.Round(b*scale) / scale
	if b <= 0 || b > 1e6 {
		return nil
	}
	return &b
}

func (i *Info) contextLength() *int64 {
	c := i.Config.text()
	for _, n := range []int64{c.MaxPositions, c.NPositions, c.MaxSeqLen, c.SeqLength, i.GGUF.ContextLength, i.CardData.ContextLen} {
		if n > 0 && n <= 1e12 {
			return &n
		}
	}
	return nil
}

// text is the configuration of the language part of a multimodal model.
func (c *Config) text() *Config {
	if c.TextConfig != nil {
		return c.TextConfig
	}
	return c
}

var encoderTypes = []string{"bert", "roberta", "xlm-roberta", "distilbert", "electra", "deberta", "deberta-v2", "mpnet", "modernbert", "nomic_bert", "camembert", "albert", "new"}

var encoderDecoderTypes = []string{"t5", "mt5", "umt5", "bart", "mbart", "pegasus", "m2m_100", "marian", "nllb-moe", "whisper", "t5gemma"}

func (i *Info) architecture() model.Architecture {
	c := i.Config.text()
	has := func(part string) bool {
		return slices.ContainsFunc(i.Config.Architectures, func(a string) bool { return strings.Contains(a, part) })
	}
	switch {
	case c.LocalExperts > 1 || c.Experts > 1 || c.RoutedExperts > 1 || has("Moe") || has("MoE") || has("Mixtral"):
		return model.ArchMoE
	case i.Config.IsEncoderDecoder || slices.Contains(encoderDecoderTypes, c.ModelType):
		return model.ArchEncoderDecoder
	case slices.Contains(encoderTypes, c.ModelType):
		return model.ArchEncoder
	case has("CausalLM") || has("LMHeadModel"):
		return model.ArchDecoder
	}
	return model.ArchUnknown
}

func (i *Info) quantizations() []string {
	if q := i.Config.Quantization; q != nil && q.Method != "" && len(q.Method) <= 50 {
		return []string{strings.ToLower(q.Method)}
	}
	return nil
}
