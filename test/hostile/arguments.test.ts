import { attack } from './attack.ts'
import { documents, others, queries } from './families/arguments.ts'

attack(documents, queries, others)
