import { attack } from './attack.ts'
import { bombs, heap, oneStep, uncounted } from './families/memory.ts'

attack(heap, oneStep, uncounted, bombs)
