// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"minimoe"
)

func ExampleTrainer_Steps() {
	config, err := minimoe.ParseConfig([]byte(`{"model": {"vocab_size": 10, "d_model": 8, "num_heads": 2, "max_seq_len": 8},
		"train": {"steps": 100, "seq_len": 8, "batch_size": 2}}`))
	if err != nil {
		log.Fatal(err)
	}
	dataset, err := minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 10, ValFraction: minimoe.Ptr(0.2)})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 200 {
		if err := dataset.Append([]int32{int32(i % 10)}, nil); err != nil {
			log.Fatal(err)
		}
	}
	model, err := minimoe.NewModel(config)
	if err != nil {
		log.Fatal(err)
	}
	trainer, err := minimoe.NewTrainer(model, dataset, config)
	if err != nil {
		log.Fatal(err)
	}
	for step, err := range trainer.Steps(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if step.Step == 3 {
			break
		}
	}
	step, err := trainer.Step()
	fmt.Println(step, err)
	// Output: 3 <nil>
}

func ExampleError() {
	_, err := minimoe.ParseConfig([]byte(`{"model": {"moe": {"top_kk": 2}}}`))
	var e *minimoe.Error
	fmt.Println(errors.Is(err, minimoe.ErrInvalidArgument), errors.As(err, &e), e.Op)
	// Output: true true ParseConfig
}

func ExampleStatisticsOfLoad() {
	statistics, err := minimoe.StatisticsOfLoad([]int64{90, 10, 10, 10}, 1)
	fmt.Println(statistics.MaxViolation, statistics.NumHot, err)
	// Output: 2 1 <nil>
}

func ExampleDataset_Encode() {
	config, err := minimoe.DefaultConfig()
	if err != nil {
		log.Fatal(err)
	}
	dataset, err := minimoe.OpenDataset(config)
	if err != nil {
		log.Fatal(err)
	}
	ids, err := dataset.Encode("conjugate: to walk, past, she ->")
	if err != nil {
		log.Fatal(err)
	}
	text, err := dataset.Decode(ids)
	fmt.Println(text, err)
	// Output: conjugate: to walk, past, she -> <nil>
}
