"""Operators whose cases run in float16 too, with the inputs that stay as they are."""

SAME = """
Abs Neg Sign Sqrt Reciprocal Exp Log Erf Sin Cos Tanh Sigmoid Relu LeakyRelu Elu Selu Celu
ThresholdedRelu Shrink Softsign Mish Swish Gelu Softplus HardSigmoid HardSwish Floor Ceil Round Clip
Add Sub Mul Div Min Max Sum Mean Pow PRelu Equal Less LessOrEqual Greater GreaterOrEqual Where IsNaN
IsInf Expand Tile Transpose Concat Split Slice Pad Gather GatherElements GatherND ScatterND
ScatterElements DepthToSpace SpaceToDepth Trilu ReduceMean ReduceSum ReduceMax ReduceMin ReduceL1
ReduceL2 ReduceSumSquare MatMul Gemm Conv ConvTranspose Softmax LogSoftmax LayerNormalization
RMSNormalization SimplifiedLayerNormalization SkipSimplifiedLayerNormalization
SkipLayerNormalization Attention RotaryEmbedding BatchNormalization InstanceNormalization
GroupNormalization GroupNorm MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GridSample
QuickGelu BiasGelu GroupQueryAttention MultiHeadAttention
""".split()

HALF = {**dict.fromkeys(SAME, ()), "Resize": (1, 2)}
