// The README's program and the examples run as they stand; the package can be packed without a network.
import { testDocuments } from '../../testing/documents.js'
import { serve } from '../../testing/rig.js'

testDocuments(serve(), 'holdfast-indexeddb', {
  readme: "[ 'Quarry Memories', 'Water Buffaloes' ]\n",
  examples: {
    'library.js': 'by Fred: Quarry Memories (1971), Water Buffaloes (1983)\npage: Bedrock Nights, Water Buffaloes\npage: Quarry Memories\n' +
      'refused: ConstraintError\nleft: 234567 345678\n',
    'queue.js': '20 jobs done, 20 different ones\n'
  },
  top: ['auto.d.ts', 'auto.js']
})
