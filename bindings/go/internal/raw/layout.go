// SPDX-License-Identifier: Apache-2.0

package raw

// #include <minimoe.h>
import "C"

import "unsafe"

// Arrays of different lengths are different types: a twin whose size, or the place of whose field, is not that of the C
// struct does not build.
var (
	_ [C.sizeof_minimoe_error]struct{}           = [unsafe.Sizeof(Error{})]struct{}{}
	_ [C.sizeof_minimoe_options]struct{}         = [unsafe.Sizeof(Options{})]struct{}{}
	_ [C.sizeof_minimoe_tensor_view]struct{}     = [unsafe.Sizeof(TensorView{})]struct{}{}
	_ [C.sizeof_minimoe_step_metrics]struct{}    = [unsafe.Sizeof(StepMetrics{})]struct{}{}
	_ [C.sizeof_minimoe_evaluation]struct{}      = [unsafe.Sizeof(Evaluation{})]struct{}{}
	_ [C.sizeof_minimoe_routing_metrics]struct{} = [unsafe.Sizeof(RoutingMetrics{})]struct{}{}
)

var (
	_ [unsafe.Offsetof(C.minimoe_error{}.code)]struct{}     = [unsafe.Offsetof(Error{}.Code)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_error{}.reserved)]struct{} = [unsafe.Offsetof(Error{}.Reserved)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_error{}.message)]struct{}  = [unsafe.Offsetof(Error{}.Message)]struct{}{}

	_ [unsafe.Offsetof(C.minimoe_options{}.struct_size)]struct{}         = [unsafe.Offsetof(Options{}.StructSize)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.num_threads)]struct{}         = [unsafe.Offsetof(Options{}.NumThreads)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.instruction_set)]struct{}     = [unsafe.Offsetof(Options{}.InstructionSet)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.matmul_backend)]struct{}      = [unsafe.Offsetof(Options{}.MatmulBackend)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.allocate)]struct{}            = [unsafe.Offsetof(Options{}.Allocate)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.deallocate)]struct{}          = [unsafe.Offsetof(Options{}.Deallocate)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.allocator_user_data)]struct{} = [unsafe.Offsetof(Options{}.AllocatorUserData)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.log)]struct{}                 = [unsafe.Offsetof(Options{}.Log)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.log_user_data)]struct{}       = [unsafe.Offsetof(Options{}.LogUserData)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.log_level)]struct{}           = [unsafe.Offsetof(Options{}.LogLevel)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_options{}.reserved)]struct{}            = [unsafe.Offsetof(Options{}.Reserved)]struct{}{}

	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.struct_size)]struct{} = [unsafe.Offsetof(TensorView{}.StructSize)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.num_dims)]struct{}    = [unsafe.Offsetof(TensorView{}.NumDims)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.shape)]struct{}       = [unsafe.Offsetof(TensorView{}.Shape)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.values)]struct{}      = [unsafe.Offsetof(TensorView{}.Values)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.num_values)]struct{}  = [unsafe.Offsetof(TensorView{}.NumValues)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_tensor_view{}.generation)]struct{}  = [unsafe.Offsetof(TensorView{}.Generation)]struct{}{}

	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.struct_size)]struct{}      = [unsafe.Offsetof(StepMetrics{}.StructSize)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.reserved)]struct{}         = [unsafe.Offsetof(StepMetrics{}.Reserved)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.step)]struct{}             = [unsafe.Offsetof(StepMetrics{}.Step)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.loss)]struct{}             = [unsafe.Offsetof(StepMetrics{}.Loss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.aux_loss)]struct{}         = [unsafe.Offsetof(StepMetrics{}.AuxLoss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.z_loss)]struct{}           = [unsafe.Offsetof(StepMetrics{}.ZLoss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.total_loss)]struct{}       = [unsafe.Offsetof(StepMetrics{}.TotalLoss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.learning_rate)]struct{}    = [unsafe.Offsetof(StepMetrics{}.LearningRate)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.gradient_norm)]struct{}    = [unsafe.Offsetof(StepMetrics{}.GradientNorm)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.num_tokens)]struct{}       = [unsafe.Offsetof(StepMetrics{}.NumTokens)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_step_metrics{}.num_extra_passes)]struct{} = [unsafe.Offsetof(StepMetrics{}.NumExtraPasses)]struct{}{}

	_ [unsafe.Offsetof(C.minimoe_evaluation{}.struct_size)]struct{} = [unsafe.Offsetof(Evaluation{}.StructSize)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_evaluation{}.reserved)]struct{}    = [unsafe.Offsetof(Evaluation{}.Reserved)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_evaluation{}.loss)]struct{}        = [unsafe.Offsetof(Evaluation{}.Loss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_evaluation{}.num_targets)]struct{} = [unsafe.Offsetof(Evaluation{}.NumTargets)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_evaluation{}.num_windows)]struct{} = [unsafe.Offsetof(Evaluation{}.NumWindows)]struct{}{}

	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.struct_size)]struct{}   = [unsafe.Offsetof(RoutingMetrics{}.StructSize)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.reserved)]struct{}      = [unsafe.Offsetof(RoutingMetrics{}.Reserved)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.num_tokens)]struct{}    = [unsafe.Offsetof(RoutingMetrics{}.NumTokens)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.num_dropped)]struct{}   = [unsafe.Offsetof(RoutingMetrics{}.NumDropped)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.aux_loss)]struct{}      = [unsafe.Offsetof(RoutingMetrics{}.AuxLoss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.z_loss)]struct{}        = [unsafe.Offsetof(RoutingMetrics{}.ZLoss)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.max_violation)]struct{} = [unsafe.Offsetof(RoutingMetrics{}.MaxViolation)]struct{}{}
	_ [unsafe.Offsetof(C.minimoe_routing_metrics{}.load_entropy)]struct{}  = [unsafe.Offsetof(RoutingMetrics{}.LoadEntropy)]struct{}{}
)
