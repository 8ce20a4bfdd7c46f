// SPDX-License-Identifier: Apache-2.0

package minimoe

// Config is a run configuration: a model, its training and its data. All fields count, so start from [Preset],
// [DefaultConfig] or [ParseConfig] and change some; a zero Config is no valid one. The library checks it whole where it
// is used, and names every bad field by its key in JSON.
type Config struct {
	Model ModelConfig `json:"model"`
	Train TrainConfig `json:"train"`
	Data  DataConfig  `json:"data"`
}

// ModelConfig is a language model: what it is made of.
type ModelConfig struct {
	VocabSize           int       `json:"vocab_size"`            // token ids; 0: those of the data
	MaxSeqLen           int       `json:"max_seq_len"`           // longest sequence
	NumLayers           int       `json:"num_layers"`            // blocks
	DModel              int       `json:"d_model"`               // width of the residual stream, a multiple of num_heads
	NumHeads            int       `json:"num_heads"`             // attention heads
	NumKVHeads          int       `json:"num_kv_heads"`          // key and value heads; 0: num_heads
	DFF                 int       `json:"d_ff"`                  // hidden width of the dense blocks
	Norm                string    `json:"norm"`                  // normalisation: layer_norm, rms_norm
	Position            string    `json:"position"`              // position embedding: learned, rope
	FFN                 string    `json:"ffn"`                   // feed-forward network of dense blocks and experts: gelu, swiglu
	GELU                string    `json:"gelu"`                  // form of GELU: tanh, erf
	AttentionBias       bool      `json:"attention_bias"`        // biases on the attention projections
	AttentionOutputBias bool      `json:"attention_output_bias"` // with attention_bias: on the output projection too
	QKNorm              bool      `json:"qk_norm"`               // RMS norm of each query and key head
	QKNormFullWidth     bool      `json:"qk_norm_full_width"`    // with qk_norm: over all heads at once
	TiedEmbeddings      bool      `json:"tied_embeddings"`       // the head shares the token embedding
	RoPETheta           float64   `json:"rope_theta"`            // base of the rotary frequencies
	RoPEPairing         string    `json:"rope_pairing"`          // which elements RoPE rotates together: half_split, interleaved
	NormEps             float64   `json:"norm_eps"`              // added to the variance
	InitStd             float64   `json:"init_std"`              // start of matrices and embeddings
	MoE                 MoEConfig `json:"moe"`
}

// MoEConfig is what its MoE blocks are made of, and how they are balanced.
type MoEConfig struct {
	Layers                   []int     `json:"layers"`                      // blocks whose FFN is an MoE layer, ascending
	NumExperts               int       `json:"num_experts"`                 // experts of an MoE layer (E)
	TopK                     int       `json:"top_k"`                       // experts that a token is sent to (K), at most num_experts
	DExpert                  int       `json:"d_expert"`                    // hidden width of one expert
	GateOrder                string    `json:"gate_order"`                  // how router logits become experts and weights: auto, softmax_topk_renorm, softmax_topk, topk_softmax, sigmoid_topk_renorm
	AllowConstantGate        bool      `json:"allow_constant_gate"`         // permit top_k = 1 with a weight that is always 1
	RoutedScale              float64   `json:"routed_scale"`                // factor on the weights of sigmoid_topk_renorm
	NumSharedExperts         int       `json:"num_shared_experts"`          // shared experts, added to every token
	SharedExpertGate         bool      `json:"shared_expert_gate"`          // shared experts times the sigmoid of a gate of the token
	RouterInitStd            float64   `json:"router_init_std"`             // start of the router's weight; 0: a zero router
	RouterBias               bool      `json:"router_bias"`                 // a trained bias on the router logits
	RouterBiasInit           []float64 `json:"router_bias_init"`            // start of the router bias; empty: zeros
	RouterLearningRateFactor float64   `json:"router_learning_rate_factor"` // times the router's learning rate
	AuxLossCoef              float64   `json:"aux_loss_coef"`               // Switch load-balancing loss; 0: reported only
	AuxLossScope             string    `json:"aux_loss_scope"`              // tokens that the load-balancing loss looks at: micro_batch, sequence, global_batch
	ZLossCoef                float64   `json:"z_loss_coef"`                 // router z-loss
	BiasBalancing            bool      `json:"bias_balancing"`              // balance by an expert bias that moves the choice only
	BiasUpdateRate           float64   `json:"bias_update_rate"`            // step of the expert bias
	BiasCentering            bool      `json:"bias_centering"`              // subtract the mean from each update of the expert bias
	BiasGuard                bool      `json:"bias_guard"`                  // warn once when bias balancing begins on a saturated router
	CapacityFactor           float64   `json:"capacity_factor"`             // slots an expert in training; 0: dropless
	EvalCapacityFactor       float64   `json:"eval_capacity_factor"`        // slots an expert in evaluation; 0: dropless
	DropPriority             string    `json:"drop_priority"`               // who keeps its slot over capacity: position, probability
}

// TrainConfig is how a model is trained.
type TrainConfig struct {
	Steps             int     `json:"steps"`              // optimizer steps
	BatchSize         int     `json:"batch_size"`         // sequences of a micro-batch
	SeqLen            int     `json:"seq_len"`            // tokens of a sequence; left out, at most model.max_seq_len
	AccumulationSteps int     `json:"accumulation_steps"` // micro-batches of an optimizer step
	LearningRate      float64 `json:"learning_rate"`      // peak learning rate
	MinLearningRate   float64 `json:"min_learning_rate"`  // where the cosine ends
	WarmupSteps       int     `json:"warmup_steps"`       // steps of linear warm-up
	Schedule          string  `json:"schedule"`           // learning rate after the warm-up: constant, cosine
	Beta1             float64 `json:"beta1"`              // AdamW, first moment
	Beta2             float64 `json:"beta2"`              // AdamW, second moment
	AdamEps           float64 `json:"adam_eps"`           // AdamW, added to the root of the second moment
	WeightDecay       float64 `json:"weight_decay"`       // decoupled; matrices and embeddings only
	ClipNorm          float64 `json:"clip_norm"`          // largest global gradient norm; 0: no clipping
	Precision         string  `json:"precision"`          // operands of products with weights, those of the router and the shared experts' gate excepted: fp32, bf16
	Seed              uint64  `json:"seed"`               // start values and training windows
}

// DataConfig is where tokens come from.
type DataConfig struct {
	Corpus           string   `json:"corpus"`             // grammar (embedded), or the path of a file
	Format           string   `json:"format"`             // of a file: auto, text, jsonl, conllu, tokens, llmc
	Languages        []string `json:"languages"`          // of the grammar corpus: en, es
	NumEvalSentences int      `json:"num_eval_sentences"` // of the grammar corpus: a split's sentences
	ValFraction      float64  `json:"val_fraction"`       // share of a file kept for validation
	Tokenizer        string   `json:"tokenizer"`          // of text: auto (bytes), bpe:VOCAB (trained on it), or the path of a tokenizer.json
	MaxVocab         int      `json:"max_vocab"`          // most words of a CoNLL-U file
}
